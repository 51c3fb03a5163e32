"""The annotated band corpus: composed songs rendered to one file a stem, in parallel, resumable.

Layout, that of MUSDB18-HQ with an annotation: `<root>/song_<seed>/{bass,drums,chords1,...}.wav` (16 bit, mono,
44.1 kHz; the mix is their sum) and `song.json` (`Song.to_dict()` and the soundfont).
"""

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import soundfile
from rich.progress import Progress

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.compose.composer import compose
from latentstem.data.render.fluidsynth import soundfont_path, synthesizer_path
from latentstem.data.render.song import render_song
from latentstem.data.render.workers import UNFINISHED, start_worker, swept
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song

ANNOTATION = "song.json"


def write_corpus(
    root: str | Path,
    seeds: Iterable[int],
    soundfonts: Sequence[str] = ("fluidr3", "musescore"),
    duration: float = 30.0,
    workers: int | None = None,
    compose: Callable[[int, float], Song] = compose,
) -> list[Path]:
    """Compose and render one track a seed under `root`.

    A track's folder appears only when it is whole, so after an interruption, a kill included, the same call goes on
    where it stopped and removes what was left unfinished. The files depend on the seeds, the soundfonts, the
    duration and the composer, never on the number of workers. Several runs may fill one folder at once.

    Args:
        root: folder of the corpus; made if absent.
        seeds: seeds of the songs, as `TRAIN_SEEDS`.
        soundfonts: each song takes one of them, by its seed.
        duration: seconds a song.
        workers: processes at once; by default one a processor.
        compose: seed and duration to song; a function that a worker can import, or a `functools.partial` of one.

    Returns:
        The folders of the tracks, in order of `seeds`.

    Raises:
        SynthesisError: before anything is written, if FluidSynth or a soundfont is missing.
        ValueError: if `root` holds songs written with other arguments.

    Example:
        >>> write_corpus("corpus", TRAIN_SEEDS[:1000])  # doctest: +SKIP
        >>> artificial = functools.partial(compose_artificial, "A1")  # doctest: +SKIP
        >>> write_corpus("A1", range(1000), ("fluidr3",), 60.0, compose=artificial)  # doctest: +SKIP
    """
    synthesizer_path()
    for name in soundfonts:
        soundfont_path(name)
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    writer = _Writer(root, tuple(soundfonts), duration, compose)
    tracks = {seed: writer.track(seed) for seed in seeds}
    written = [seed for seed, track in tracks.items() if (track / ANNOTATION).is_file()]
    if written:
        # One look at one song: two corpora mixed in one folder would not be noticed in training.
        writer.check(written[0])
    missing = sorted(tracks.keys() - written)
    workers = min(workers or os.cpu_count() or 1, len(missing))
    with swept(root), Progress(disable=not missing) as progress:
        bar = progress.add_task("songs", total=len(missing))
        if workers <= 1:
            for seed in missing:
                writer(seed)
                progress.advance(bar)
        else:
            # Not forked: torch and the caller's threads do not survive it. A server imports torch once for all.
            servers = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
            context = multiprocessing.get_context("forkserver" if servers else "spawn")
            if servers:
                context.set_forkserver_preload(["__main__", __name__])
            with ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker) as pool:
                try:
                    for done in as_completed([pool.submit(writer, seed) for seed in missing]):
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
    return Song.from_dict(json.loads((Path(track) / ANNOTATION).read_text())["song"])


@dataclass(frozen=True)
class _Writer:
    """Writes the track of a seed; goes to the workers by pickling."""

    root: Path
    soundfonts: tuple[str, ...]
    duration: float
    compose: Callable[[int, float], Song]

    def track(self, seed: int) -> Path:
        return self.root / f"song_{seed:06d}"

    def annotated(self, seed: int) -> tuple[Song, str, str]:
        """The song, its soundfont, and what `song.json` says of them."""
        song = self.compose(seed, self.duration)
        soundfont = SeededRandom(seed).child("soundfont").choice(self.soundfonts)
        return song, soundfont, json.dumps({"soundfont": soundfont, "song": song.to_dict()})

    def check(self, seed: int) -> None:
        track = self.track(seed)
        if (track / ANNOTATION).read_text() != self.annotated(seed)[2]:
            raise ValueError(
                f"{track} is another song than seed {seed} gives with this duration, soundfont and composer: "
                "write to another folder, or remove this one"
            )

    def __call__(self, seed: int) -> None:
        song, soundfont, annotation = self.annotated(seed)
        track = self.track(seed)
        with tempfile.TemporaryDirectory(
            UNFINISHED, f".{track.name}.", self.root, ignore_cleanup_errors=True
        ) as folder:
            whole = Path(folder, "whole")
            whole.mkdir()
            # FluidSynth's files are large; in here a kill cannot leave them behind for good.
            for name, audio in render_song(song, soundfont, Path(folder)).items():
                soundfile.write(whole / f"{name}.wav", audio, SAMPLING_RATE, subtype="PCM_16")
            (whole / ANNOTATION).write_text(annotation)
            try:
                whole.rename(track)
            except OSError:
                if not (track / ANNOTATION).is_file():  # else another run was faster
                    raise
