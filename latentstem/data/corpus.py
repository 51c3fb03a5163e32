"""The annotated band corpus: composed songs rendered to one file a stem, in parallel, resumable.

Layout, that of MUSDB18-HQ with an annotation: `<root>/song_<seed>/{bass,drums,chords1,...}.wav` (16 bit, mono,
44.1 kHz; the mix is their sum) and `song.json` (`Song.to_dict()` and the soundfont).
"""

import json
import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.progress import Progress

from latentstem.audio.level import REFERENCE_RMS, sounding_rms
from latentstem.data.composer import compose
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Song
from latentstem.data.synthesis import SAMPLING_RATE, render_parts, soundfont_path, synthesizer_path

try:
    import fcntl
except ImportError:  # Windows: what killed runs have left stays
    fcntl = None

PEAK = 0.95
"""Greatest absolute sample of a rendered mix."""
ANNOTATION = "song.json"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class SynthEffects:
    """Which of FluidSynth's own effects, reverberation and chorus, a song is rendered with.

    Example:
        >>> SynthEffects.draw(0) == SynthEffects.draw(0)
        True
    """

    reverb: bool
    chorus: bool

    @classmethod
    def draw(cls, seed: int) -> "SynthEffects":
        """Draw the effects of the song of a seed: they vary from song to song, never between soundfonts."""
        rng = SeededRandom(seed).child("effects")
        return cls(rng.child("reverb").bernoulli(0.5), rng.child("chorus").bernoulli(0.3))


def render_song(
    song: Song, soundfont: str, scratch: Path | None = None, effects: SynthEffects | None = None
) -> dict[str, np.ndarray]:
    """Render a song to its stems.

    Args:
        song: from `compose`.
        soundfont: "fluidr3", "musescore" or "timgm6mb".
        scratch: folder for temporary files; the system's by default.
        effects: of the synthesizer; by default those that `SynthEffects.draw` gives for the song's seed.

    Returns:
        Stem name to mono float32 audio at 44.1 kHz, `round(song.duration * 44100)` samples each. Every stem
        has the loudness its part asks for, and the sum of all stems peaks below 1.

    Raises:
        SynthesisError: if FluidSynth or the soundfont is missing, or FluidSynth fails.
    """
    effects = effects or SynthEffects.draw(song.seed)
    sounds = render_parts(song.parts, soundfont, song.duration, effects.reverb, effects.chorus, scratch)
    stems = {}
    for part, sound in zip(song.parts, sounds, strict=True):
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
    with _swept(root), Progress(disable=not missing) as progress:
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
            with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
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


@contextmanager
def _swept(root: Path) -> Iterator[None]:
    """Remove what killed runs have left in `root`, before and after being at work there."""
    if fcntl is None:
        yield
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        _sweep(root, handle)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
        # Workers outlive a killed run by a moment, long enough to begin a song that the first look did not see.
        _sweep(root, handle)
    finally:
        os.close(handle)


def _sweep(root: Path, handle: int) -> None:
    """Remove the unfinished songs, unless another run is at work: then they may be its own."""
    assert fcntl is not None  # as `_swept` has made sure
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    for unfinished in root.glob(f".song_*{UNFINISHED}*"):
        removed = unfinished.with_name(f"{unfinished.name}.removed")
        # Renamed first, so that whoever still writes there cannot give a half-removed folder its final name.
        with suppress(FileNotFoundError):  # such a worker has just finished
            unfinished.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _start_worker() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent takes its workers along: they would render on, unseen, and then wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
