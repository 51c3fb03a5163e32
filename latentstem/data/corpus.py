"""The annotated band corpus: composed songs rendered to one file a stem, in parallel, resumable.

Layout, that of MUSDB18-HQ with an annotation: `<root>/song_<seed>/{bass,drums,chords1,...}.wav` (16 bit, mono,
44.1 kHz; the mix is their sum) and `song.json` (`Song.to_dict()` and the soundfont).
"""

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.progress import Progress

from latentstem.audio.level import REFERENCE_RMS, sounding_rms
from latentstem.data.composer import compose
from latentstem.data.dice import Dice
from latentstem.data.score import Song
from latentstem.data.synthesis import SAMPLING_RATE, render_parts, soundfont_path, synthesizer_path

PEAK = 0.95
"""Greatest absolute sample of a rendered mix."""


def render_song(song: Song, soundfont: str) -> dict[str, np.ndarray]:
    """Render a song to its stems.

    Args:
        song: from `compose`.
        soundfont: "fluidr3", "musescore" or "timgm6mb".

    Returns:
        Stem name to mono float32 audio at 44.1 kHz, `round(song.duration * 44100)` samples each. Every stem
        has the loudness its part asks for, and the sum of all stems peaks below 1.

    Raises:
        SynthesisError: if FluidSynth or the soundfont is missing, or FluidSynth fails.
    """
    # Room and chorus vary from song to song, but not from one soundfont to the next.
    dice = Dice(song.seed + 1_000_003)
    sounds = render_parts(song.stems, soundfont, song.duration, reverb=dice.chance(0.5), chorus=dice.chance(0.3))
    stems = {}
    for part, sound in zip(song.stems, sounds, strict=True):
        level = float(sounding_rms(torch.from_numpy(sound)[None, None]))
        gain = REFERENCE_RMS * 10 ** (part.gain_db / 20) / level if level else 0.0
        stems[part.name] = sound * np.float32(gain)
    peak = max(float(np.abs(audio).max(initial=0.0)) for audio in (*stems.values(), sum(stems.values())))
    scale = np.float32(min(1.0, PEAK / peak) if peak else 1.0)
    return {name: audio * scale for name, audio in stems.items()}


def write_corpus(
    root: str | Path,
    seeds: Iterable[int],
    soundfonts: Sequence[str] = ("fluidr3", "musescore"),
    duration: float = 30.0,
    workers: int | None = None,
) -> list[Path]:
    """Compose and render one track a seed under `root`.

    A track's folder appears only when it is whole, so after an interruption the same call goes on where it
    stopped. The files depend on the seeds, the soundfonts and the duration, never on the number of workers.

    Args:
        root: folder of the corpus; made if absent.
        seeds: seeds of the songs, as `TRAIN_SEEDS`.
        soundfonts: each song takes one of them, by its seed.
        duration: seconds a song.
        workers: processes at once; by default one a processor.

    Returns:
        The folders of the tracks, in order of `seeds`.

    Raises:
        SynthesisError: before anything is written, if FluidSynth or a soundfont is missing.

    Example:
        >>> write_corpus("corpus", TRAIN_SEEDS[:1000])  # doctest: +SKIP
    """
    synthesizer_path()
    for name in soundfonts:
        soundfont_path(name)
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    tracks = {seed: root / f"song_{seed:06d}" for seed in seeds}
    missing = [seed for seed, track in tracks.items() if not (track / "song.json").is_file()]
    if not missing:
        return list(tracks.values())
    write = partial(_write_track, root=root, soundfonts=tuple(soundfonts), duration=duration)
    workers = min(workers or os.cpu_count() or 1, len(missing))
    with Progress() as progress:
        bar = progress.add_task("songs", total=len(missing))
        if workers == 1:
            for seed in missing:
                write(seed)
                progress.advance(bar)
        else:
            # Spawned, not forked: torch and the caller's threads do not survive a fork.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
                try:
                    for done in as_completed([pool.submit(write, seed) for seed in missing]):
                        done.result()
                        progress.advance(bar)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    return list(tracks.values())


def read_annotation(track: str | Path) -> Song:
    """Read what was written about a track of the corpus.

    Args:
        track: the track's folder.

    Returns:
        The song, with its chords and notes.

    Raises:
        FileNotFoundError: if the folder holds no `song.json`.
    """
    return Song.from_dict(json.loads((Path(track) / "song.json").read_text())["song"])


def _one_thread() -> None:
    torch.set_num_threads(1)


def _write_track(seed: int, root: Path, soundfonts: tuple[str, ...], duration: float) -> None:
    song = compose(seed, duration)
    soundfont = Dice(seed + 2_000_003).pick(soundfonts)
    track = root / f"song_{seed:06d}"
    unfinished = root / f".{track.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name, audio in render_song(song, soundfont).items():
        soundfile.write(unfinished / f"{name}.wav", audio, SAMPLING_RATE, subtype="PCM_16")
    (unfinished / "song.json").write_text(json.dumps({"soundfont": soundfont, "song": song.to_dict()}))
    shutil.rmtree(track, ignore_errors=True)
    unfinished.rename(track)
