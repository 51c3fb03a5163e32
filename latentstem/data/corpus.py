"""Write and read the annotated band corpus: composed songs rendered to one file a stem, in parallel, resumable.

Layout, that of MUSDB18-HQ with an annotation: `<root>/song_<seed>/{bass,drums,chords1,...}.wav` (16 bit, mono,
44.1 kHz; the mix is their sum) and `song.json` (`Song.to_dict()`, and the soundfont or the instruments).
"""

import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.compose.composer import compose
from latentstem.data.render.fluidsynth import soundfont_path, synthesizer_path
from latentstem.data.render.instruments import SOUNDFONTS_TO_DRAW, describe, draw_instruments
from latentstem.data.render.song import render_song
from latentstem.data.render.workers import UNFINISHED, remove_unfinished, start_worker
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song

ANNOTATION = "song.json"


def write_corpus(
    root: str | Path,
    seeds: Iterable[int],
    soundfonts: Sequence[str] = (),
    duration: float = 30.0,
    workers: int | None = None,
    compose: Callable[[int, float], Song] = compose,
    on_progress: Callable[[float], None] | None = None,
    mixdown: str | None = None,
) -> list[Path]:
    """Compose and render one track a seed under `root`.

    A track's folder appears only when it is whole, so after an interruption, a kill included, an equal call continues
    where it stopped and removes unfinished folders. The files depend on the seeds, the soundfonts, the duration and the
    composer, never on the number of workers. Several runs may fill one folder at once.

    Args:
        root: Folder of the corpus; created if absent.
        seeds: Seeds of the songs, for example `TRAIN_SEEDS`.
        soundfonts: Names of soundfonts, of which each song takes one by its seed; without any, every part of every song
            has an instrument and a production of its own, see `latentstem.data.render.instruments`.
        duration: Length of a song in seconds.
        workers: Number of processes; by default one a processor.
        compose: Function from seed and duration to a song, which a worker can import, or a `functools.partial` of one.
        on_progress: Function called after each song with the fraction of the missing songs that is written, up to 1.
        mixdown: Name of one file with the sum of all stems, to be written in place of theirs.

    Returns:
        The folders of the tracks, in order of `seeds`.

    Raises:
        SynthesisError: If FluidSynth or a soundfont is missing (before any file is written), or FluidSynth fails.
        ValueError: If `root` holds songs written with other arguments.

    Example:
        >>> write_corpus("corpus", TRAIN_SEEDS[:1000])  # doctest: +SKIP
        >>> artificial = functools.partial(compose_artificial, "A1")  # doctest: +SKIP
        >>> write_corpus("A1", range(1000), ("fluidr3",), 60.0, compose=artificial)  # doctest: +SKIP
    """
    synthesizer_path()
    for name in soundfonts or SOUNDFONTS_TO_DRAW:
        soundfont_path(name)
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    writer = _TrackWriter(root, tuple(soundfonts), duration, compose, mixdown)
    tracks = {seed: writer.track(seed) for seed in seeds}
    written = [seed for seed, track in tracks.items() if (track / ANNOTATION).is_file()]
    if written:
        # One song is compared: two corpora mixed in one folder would not be noticed in training.
        writer.check(written[0])
    missing = sorted(tracks.keys() - written)
    tracks_written = _write_tracks(writer, missing, workers or os.cpu_count() or 1)
    with remove_unfinished(root), closing(tracks_written):
        for count, _ in enumerate(tracks_written, start=1):
            if on_progress is not None:
                on_progress(count / len(missing))
    return list(tracks.values())


def read_annotation(track: str | Path) -> Song:
    """Read the annotation of a track of the corpus.

    Args:
        track: Folder of the track.

    Returns:
        The song, with its chords and notes.

    Raises:
        FileNotFoundError: If the folder holds no `song.json`.

    Example:
        >>> read_annotation("corpus/song_000000").part("bass").notes[0]  # doctest: +SKIP
        Note(start=2.8744, end=3.0089, pitch=41, velocity=115)
    """
    return Song.from_dict(json.loads((Path(track) / ANNOTATION).read_text())["song"])


def read_instruments(track: str | Path) -> dict[str, dict[str, Any]]:
    """Read the instruments of a track of the corpus that was written without soundfonts.

    Args:
        track: Folder of the track.

    Returns:
        The instrument of each part, as `latentstem.data.render.instruments.describe` returns it.

    Raises:
        FileNotFoundError: If the folder holds no `song.json`.
        ValueError: If all parts are played by the programs of one soundfont.

    Example:
        >>> read_instruments("corpus/song_000000")["bass"]["engine"]  # doctest: +SKIP
        'PluckedString'
    """
    annotation = json.loads((Path(track) / ANNOTATION).read_text())
    if "instruments" not in annotation:
        raise ValueError(f"{track} is played by {annotation['soundfont']}; expected a song with instruments of its own")
    return annotation["instruments"]


def _write_tracks(writer: "_TrackWriter", seeds: Sequence[int], workers: int) -> Generator[None, None, None]:
    """Write the tracks of the seeds and yield after each one, with several processes in any order."""
    workers = min(workers, len(seeds))
    if workers <= 1:
        yield from map(writer, seeds)
        return
    # Not forked: torch and the caller's threads do not survive it. A server imports torch once for all.
    servers = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
    context = multiprocessing.get_context("forkserver" if servers else "spawn")
    if servers:
        context.set_forkserver_preload(["__main__", __name__])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker) as pool:
        try:
            for written in as_completed([pool.submit(writer, seed) for seed in seeds]):
                yield written.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # not without waiting: the shutdown of the context would take it back
            raise


@dataclass(frozen=True)
class _TrackWriter:
    """Write the track of a seed; pickled to the workers."""

    root: Path
    soundfonts: tuple[str, ...]
    duration: float
    compose: Callable[[int, float], Song]
    mixdown: str | None = None

    def track(self, seed: int) -> Path:
        return self.root / f"song_{seed:06d}"

    def annotate(self, seed: int) -> tuple[Song, str | None, str]:
        """Return the song, its soundfont if all is played from one, and the text of its `song.json`."""
        song = self.compose(seed, self.duration)
        mixdown = {} if self.mixdown is None else {"mixdown": self.mixdown}
        if self.soundfonts:
            soundfont = SeededRandom(seed).child("soundfont").choice(self.soundfonts)
            return song, soundfont, json.dumps({"soundfont": soundfont, **mixdown, "song": song.to_dict()})
        instruments = {name: describe(instrument) for name, instrument in draw_instruments(song).items()}
        return song, None, json.dumps({"instruments": instruments, **mixdown, "song": song.to_dict()})

    def check(self, seed: int) -> None:
        track = self.track(seed)
        if (track / ANNOTATION).read_text() != self.annotate(seed)[2]:
            raise ValueError(
                f"{track} is another song than seed {seed} gives with this duration, soundfont and composer: "
                "write to another folder, or remove this one"
            )

    def __call__(self, seed: int) -> None:
        song, soundfont, annotation = self.annotate(seed)
        track = self.track(seed)
        with tempfile.TemporaryDirectory(
            UNFINISHED, f".{track.name}.", self.root, ignore_cleanup_errors=True
        ) as folder:
            whole = Path(folder, "whole")
            whole.mkdir()
            # FluidSynth's files are large; in this folder, what a kill leaves of them is removed by the next run.
            stems = render_song(song, soundfont, Path(folder))
            if self.mixdown is not None:
                stems = {self.mixdown: sum(stems.values(), np.zeros(1, np.float32))}
            for name, audio in stems.items():
                soundfile.write(whole / f"{name}.wav", audio, SAMPLING_RATE, subtype="PCM_16")
            (whole / ANNOTATION).write_text(annotation)
            try:
                whole.rename(track)
            except OSError:
                if not (track / ANNOTATION).is_file():  # else another run was faster
                    raise
