"""Fine-tune the shipped weights to a new bass on the CPU with LoRA, and measure the effect.

    python examples/finetune_lora.py runs/my-bass --minutes 5

The bass is synthesized by frequency modulation and is in no soundfont that the weights were trained on. Its notes are
the bass notes of composed songs whose other stems FluidSynth renders: a folder like one of your own recordings,
`<song>/bass.wav` and the other stems. Two metrics are computed on other songs: the distance between the sound of the
generated basses and of that bass (see `sound`), and the chord share. For comparison, the shipped weights use the same
recordings as a style, without training. Rendered songs are not rendered again, and a stopped training resumes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

import latentstem
from latentstem import AutoencoderSpectral, StemAccompanimentPipeline
from latentstem.audio import REFERENCE_RMS, active_rms
from latentstem.data.compose.composer import Song, compose
from latentstem.data.render.fluidsynth import SAMPLING_RATE
from latentstem.data.render.song import render_song
from latentstem.data.score import Note
from latentstem.data.splits import TEST_SEEDS, VALIDATION_SEEDS
from latentstem.evaluation import chord_share, sounding_frames, track_pitch
from latentstem.models.latent_scaling import normalize_latents
from latentstem.training.engine.run import replace_folder
from latentstem.training.unet import UNetTraining, train

SOUNDFONT = "fluidr3"
BEFORE, STYLED, AFTER, TRUE = "as shipped", "as shipped, with a style", "fine-tuned", "true basses"


def main(
    output: Annotated[Path, typer.Argument(help="Folder of the stems, the state and the adapter.")],
    minutes: Annotated[float, typer.Option(help="Minutes of training.")] = 5.0,
    songs: Annotated[int, typer.Option(min=1, help="Songs to train on.")] = 12,
    test_songs: Annotated[int, typer.Option(min=2, help="Other songs to measure on.")] = 6,
    duration: Annotated[float, typer.Option(min=4.0, help="Seconds a song.")] = 20.0,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Denoising steps.")] = 32,
) -> None:
    write_stems(output / "stems", songs, duration)
    adapter = fine_tune(output, minutes, rank)
    table = Table("", "distance of the sound", "chord share", title=f"{test_songs} songs that were not trained on")
    for row, scores in measure(output / "stems", adapter, test_songs, duration, steps).items():
        table.add_row(row, *(f"{np.mean(scores[key]):.3f}" for key in ("style_distance", "chord_share")))
    Console().print(table)
    print(f"{adapter}: load it with pipe.unet.load_lora_adapter")


def frequency_modulated_bass(notes: Sequence[Note], duration: float) -> np.ndarray:
    """Synthesize notes as a sine whose phase is modulated by a sine of equal frequency (Chowning 1973).

    The modulation swells in the first half second of a note and sinks again: round, then reedy, then round.

    Args:
        notes: One at a time.
        duration: In seconds.

    Returns:
        `(samples,)` at 44.1 kHz, float32.
    """
    audio = np.zeros(round(duration * SAMPLING_RATE), dtype=np.float32)
    for note in notes:
        first = round(note.start * SAMPLING_RATE)
        count = min(round(note.end * SAMPLING_RATE), len(audio)) - first
        time = np.arange(count) / SAMPLING_RATE
        phase = 2 * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * time
        index = 1 + 2 * np.exp(-(((time - 0.15) / 0.12) ** 2))
        edges = np.clip(np.minimum(time / 0.02, time[::-1] / 0.04), 0, 1)
        audio[first : first + count] += note.velocity / 127 * edges * np.sin(phase + index * np.sin(phase))
    return audio


def rendered(seed: int, duration: float) -> tuple[Song, dict[str, np.ndarray]]:
    """Render a song to stems `(samples,)`, with an FM bass at the level of FluidSynth's."""
    song = compose(seed, duration)
    stems = render_song(song, SOUNDFONT)
    stems["bass"] = leveled(frequency_modulated_bass(song.part("bass").notes, duration), _level(stems["bass"]))
    return song, stems


def write_stems(root: Path, songs: int, duration: float) -> None:
    """Write `<root>/song_<seed>/<stem>.wav` of songs that the weights were not trained on."""
    for seed in track(VALIDATION_SEEDS[:songs], description="rendering songs to train on"):
        target = root / f"song_{seed}"
        if target.exists():
            continue
        partial = root / f".song_{seed}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        for name, audio in rendered(seed, duration)[1].items():
            soundfile.write(partial / f"{name}.wav", audio, SAMPLING_RATE)
        replace_folder(partial, target)


def fine_tune(output: Path, minutes: float, rank: int) -> Path:
    """Train an adapter of the shipped weights on `<output>/stems`; return its folder."""
    weights = Path(latentstem.pretrained_path("bass"))
    return train(
        UNetTraining(
            data=output / "stems",
            output=output,
            autoencoder=weights / "autoencoder",
            init_from=weights / "unet",
            lora_rank=rank,
            minutes=minutes,
            steps=1000,
            batch_frames=1024,  # many small steps: the songs are few
            learning_rate=2e-3,
            ema_decay=0.99,
        )
    )


def measure(stems: Path, adapter: Path, songs: int, duration: float, steps: int) -> dict[str, dict[str, list[float]]]:
    """Score basses for other songs: as shipped, with the stems as a style, fine-tuned, and the true basses.

    Args:
        stems: Folder of the songs of the training.
        adapter: Folder of the adapter.
        songs: Number of songs to score.
        duration: Seconds of each song.
        steps: Denoising steps.

    Returns:
        By row, one value a song of `style_distance` (Euclidean, between results of `sound`) and `chord_share`.
    """
    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    pairs = [rendered(seed, duration) for seed in track(TEST_SEEDS[:songs], description="rendering songs to test on")]
    true = [stems["bass"] for _, stems in pairs]
    mixes = [np.sum([audio for name, audio in stems.items() if name != "bass"], axis=0) for _, stems in pairs]

    basses = {BEFORE: [_accompany(pipe, mix, steps) for mix in track(mixes, description=BEFORE)]}
    style = np.stack([soundfile.read(file, dtype="float32")[0] for file in sorted(stems.glob("*/bass.wav"))])[:, None]
    basses[STYLED] = [_accompany(pipe, mix, steps, style=style) for mix in track(mixes, description=STYLED)]
    pipe.unet.load_lora_adapter(adapter)
    basses[AFTER] = [_accompany(pipe, mix, steps) for mix in track(mixes, description=AFTER)]
    basses[TRUE] = true

    goals = [sound(pipe.autoencoder, bass) for bass in true]
    scores = {}
    for row, of_row in basses.items():
        # Compared with the true basses of all other songs: a true bass then has the distance between songs.
        others = [np.delete(goals, index, axis=0) for index in range(songs)]
        scores[row] = {
            "style_distance": [
                float(np.linalg.norm(sound(pipe.autoencoder, stem) - goal.mean(axis=0)))
                for stem, goal in zip(of_row, others, strict=True)
            ],
            "chord_share": [
                chord_share(track_pitch(stem, SAMPLING_RATE), song.chords)
                for stem, (song, _) in zip(track(of_row, description=f"scoring: {row}"), pairs, strict=True)
            ],
        }
    return scores


@torch.no_grad()
def sound(autoencoder: AutoencoderSpectral, bass: np.ndarray) -> np.ndarray:
    """Compute the mean of the normalized latents of a bass over its sounding frames, `(channels,)`."""
    audio = torch.from_numpy(leveled(bass, REFERENCE_RMS))[None, None]
    (latents,) = autoencoder.encode(audio, return_dict=False)
    latents = normalize_latents(latents, autoencoder.config)[0].numpy()
    sounding = sounding_frames(bass, autoencoder.config["hop_length"])
    return latents[:, sounding if sounding.any() else slice(None)].mean(axis=1)


def leveled(audio: np.ndarray, level: float) -> np.ndarray:
    """Bring audio `(samples,)` to a level; silence stays silence."""
    return (audio * (level / max(_level(audio), 1e-6))).astype(np.float32)


def _level(audio: np.ndarray) -> float:
    return float(active_rms(torch.from_numpy(audio)[None, None]))


def _accompany(pipe: StemAccompanimentPipeline, mix: np.ndarray, steps: int, **options: Any) -> np.ndarray:
    # The same noise in every case: only the adapter or the style differs.
    result: Any = pipe(
        mix,
        sampling_rate=SAMPLING_RATE,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
        **options,
    )
    return np.asarray(result.audios)[0, 0]


if __name__ == "__main__":
    typer.run(main)
