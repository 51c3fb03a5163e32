"""How far a style reference carries the sound, and what it costs in harmony.

Song i is accompanied twice from the same noise, without a style and in the style of one of four General MIDI programs
in turn. Sounds are compared as listeners meet them: the generated latents are decoded, levelled and encoded again,
and their mean is taken over sounding frames. The references are true basses of further test songs; the means of the
nearest-program check come from yet others.

Run it as `python benchmarks/style.py --strength 0.5 --strength 1.0`.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from generation import encoded, generate, load_pipeline, weights_folder
from matplotlib.figure import Figure
from report import RESULTS, interval, print_table, shown, write_report
from rich.progress import track
from songs import DEFAULT_CACHE, PROGRAM_NAMES, SAMPLING_RATE, RenderedSong, unseen_bass, unseen_songs

from latentstem import AutoencoderSpectral, StemAccompanimentPipeline
from latentstem.evaluation import chord_share, nearest_program, sounding_frames, style_movement, track_pitch

PROGRAMS = (32, 33, 36, 38)
MEAN_SONGS = 6


def main(
    weights: Annotated[Path | None, typer.Option(help="Folder of a saved pipeline; the shipped one if absent.")] = None,
    songs: Annotated[int, typer.Option(min=4, help="Number of test songs.")] = 24,
    duration: Annotated[float, typer.Option(min=1.0, help="Seconds a song.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 64,
    strength: Annotated[list[float] | None, typer.Option(help="Style strength; may be repeated. [1.0]")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Songs at once.")] = 8,
    device: str = "cpu",
    cache: Annotated[Path, typer.Option(help="Where rendered songs are kept.")] = DEFAULT_CACHE,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    unseen = unseen_songs(0, songs, duration, cache)
    pipe = load_pipeline(weights, device)
    codec = pipe.autoencoder

    references = {p: unseen_bass(songs + number, p, duration, cache) for number, p in enumerate(PROGRAMS)}
    others = range(songs + len(PROGRAMS), songs + len(PROGRAMS) + MEAN_SONGS)
    program_means = {
        p: np.mean([sound(codec, unseen_bass(number, p, duration, cache)) for number in others], axis=0)
        for p in track(PROGRAMS, description="sounds of the programs")
    }
    reference_means = {p: sound(codec, reference) for p, reference in references.items()}
    own = {p: nearest_program(mean, program_means) for p, mean in reference_means.items()}

    plain = generate(pipe, unseen, batch, "without a style", num_inference_steps=steps)
    plain_sounds = [sound(codec, stem) for stem in plain]
    plain_shares = _chord_shares(plain, unseen)
    cases = {
        value: _styled_cases(
            pipe, unseen, references, reference_means, program_means, plain_sounds, plain_shares, value, steps, batch
        )
        for value in strength or [1.0]
    }

    figures = {
        str(value): {
            "movement": interval([case["movement"] for case in some]),
            "names_the_program": interval([case["nearest_styled"] == case["program"] for case in some]),
            "names_it_without_style": interval([case["nearest_plain"] == case["program"] for case in some]),
            "chord_share_without": interval(plain_shares),
            "chord_share_with": interval([case["chord_share"] for case in some]),
            "chord_share_change": interval([case["chord_share"] - case["chord_share_plain"] for case in some]),
        }
        for value, some in cases.items()
    }
    header = ["strength", "movement", "names the program", "without style", "chord share", "change, paired"]
    keys = ("movement", "names_the_program", "names_it_without_style", "chord_share_with", "chord_share_change")
    print_table(
        "Style grounding", header, [[value, *(shown(figure[key]) for key in keys)] for value, figure in figures.items()]
    )
    settings = {
        "weights": weights_folder(weights).name,
        "songs": songs,
        "duration": duration,
        "num_inference_steps": steps,
        "programs": PROGRAMS,
        "songs_of_a_program_mean": MEAN_SONGS,
    }
    report = {
        "strengths": figures,
        "nearest_program_of_the_references_themselves": {str(p): found for p, found in own.items()},
        "songs": {str(value): some for value, some in cases.items()},
    }
    write_report("style", settings, report, _picture(cases), results)


def sound(codec: AutoencoderSpectral, audio: np.ndarray) -> np.ndarray:
    """Mean normalised latent over the sounding frames, `(channels,)`; over all frames in silence."""
    latents = encoded(codec, audio)
    sounding = sounding_frames(audio, codec.config.hop_length)
    return latents[:, sounding if sounding.any() else slice(None)].mean(axis=1)


def _styled_cases(
    pipe: StemAccompanimentPipeline,
    unseen: list[RenderedSong],
    references: dict[int, np.ndarray],
    reference_means: dict[int, np.ndarray],
    program_means: dict[int, np.ndarray],
    plain_sounds: list[np.ndarray],
    plain_shares: list[float],
    strength: float,
    steps: int,
    batch: int,
) -> list[dict]:
    cases = []
    for place, program in enumerate(PROGRAMS):
        numbers = range(place, len(unseen), len(PROGRAMS))
        some = [unseen[number] for number in numbers]
        stems = generate(
            pipe,
            some,
            batch,
            f"style {program} at {strength:g}",
            num_inference_steps=steps,
            style=references[program],
            style_strength=strength,
        )
        shares = _chord_shares(stems, some)
        for number, stem, share in zip(numbers, stems, shares, strict=True):
            moved = sound(pipe.autoencoder, stem)
            cases.append(
                {
                    "seed": unseen[number].song.seed,
                    "program": program,
                    "movement": style_movement(plain_sounds[number], moved, reference_means[program]),
                    "nearest_plain": nearest_program(plain_sounds[number], program_means),
                    "nearest_styled": nearest_program(moved, program_means),
                    "chord_share_plain": plain_shares[number],
                    "chord_share": share,
                }
            )
    return cases


def _chord_shares(stems: np.ndarray, songs: list[RenderedSong]) -> list[float]:
    pairs = zip(stems, songs, strict=True)
    return [chord_share(track_pitch(stem, SAMPLING_RATE), song.song.chords) for stem, song in pairs]


def _picture(cases: dict[float, list[dict]]) -> Figure:
    picture = Figure(figsize=(10, 4))
    movement, harmony = picture.subplots(1, 2)
    for number, (strength, some) in enumerate(cases.items()):
        nudge = 0.15 * (number - (len(cases) - 1) / 2)
        places = [PROGRAMS.index(case["program"]) + nudge for case in some]
        movement.plot(places, [case["movement"] for case in some], "o", alpha=0.6, label=f"strength {strength:g}")
        plain, styled = ([case[key] for case in some] for key in ("chord_share_plain", "chord_share"))
        harmony.plot(plain, styled, "o", alpha=0.6, label=f"strength {strength:g}")
    movement.axhline(0.8, color="grey", linestyle=":")
    movement.set_xticks(range(len(PROGRAMS)), [PROGRAM_NAMES[program] for program in PROGRAMS])
    movement.set(ylabel="share of the way", title="movement of the mean latent; dotted: asked for")
    movement.legend()
    harmony.plot([0, 1], [0, 1], color="grey", linestyle=":")
    harmony.set(xlabel="without a style", ylabel="with it", title="chord share by song")
    return picture


if __name__ == "__main__":
    typer.run(main)
