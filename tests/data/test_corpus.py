"""Corpus: rendered lengths and levels, equal bits, resumption after kills, progress, and errors with their fix."""

import fcntl
import json
import multiprocessing
import os
import random
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.data.compose.bassnet_sets import compose_artificial
from latentstem.data.compose.composer import compose
from latentstem.data.compose.loops import compose_loop
from latentstem.data.corpus import read_annotation, read_instruments, write_corpus
from latentstem.data.render import fluidsynth as synthesis
from latentstem.data.render.fluidsynth import (
    SoundfontNotFoundError,
    SynthesisError,
    SynthesizerNotFoundError,
    render_parts,
    soundfont_path,
)
from latentstem.data.render.song import render_song
from latentstem.data.score import Note, Part, Song
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.layouts import StemError

fluidsynth = pytest.mark.fluidsynth


def song_with_drums(duration):
    return next(
        song for seed in range(100) for song in [compose(seed, duration)] if any(part.is_drum for part in song.parts)
    )


@fluidsynth
@pytest.mark.parametrize("soundfont", ["fluidr3", "musescore", "timgm6mb"])
def test_rendering_is_bit_equal_and_as_long_as_the_song(soundfont):
    song = song_with_drums(1.2345)
    first, second = render_song(song, soundfont), render_song(song, soundfont)
    assert list(first) == [part.name for part in song.parts]
    for name, audio in first.items():
        assert audio.shape == (round(1.2345 * 44100),) and audio.dtype == np.float32
        assert np.array_equal(audio, second[name])
        assert np.isfinite(audio).all()
    assert np.abs(sum(first.values())).max() <= 0.951


@fluidsynth
def test_stems_have_the_loudness_their_parts_ask_for():
    song = song_with_drums(6.0)
    stems = render_song(song, "timgm6mb")
    parts = [part for part in song.parts if part.notes]
    levels = [float(active_rms(torch.from_numpy(stems[part.name])[None, None])) for part in parts]
    targets = [REFERENCE_RMS * 10 ** (part.gain_db / 20) for part in parts]
    ratios = np.array(levels) / np.array(targets)
    # One common factor keeps the mix from clipping; between the stems the balance is the composer's.
    assert ratios == pytest.approx(ratios[0], rel=1e-3) and ratios[0] <= 1.001


@fluidsynth
def test_a_rendered_note_has_its_pitch_and_time():
    note = Note(0.5, 1.5, 45, 100)
    part = Part("bass", 33, False, (note,), 0.0)
    alone = render_parts([part], "timgm6mb", 2.0)[0]
    onset = int(np.argmax(np.abs(alone) > 0.05 * np.abs(alone).max()))
    assert abs(onset / 44100 - 0.5) < 0.02
    segment = alone[int(0.7 * 44100) : int(1.4 * 44100)].astype(np.float64)
    lags = np.fft.irfft(np.abs(np.fft.rfft(segment, 1 << 17)) ** 2)
    period = 200 + int(np.argmax(lags[200:800]))
    assert 44100 / period == pytest.approx(110.0, rel=0.01)


@fluidsynth
def test_parts_do_not_leak_into_each_other():
    parts = [
        Part("chords1", 0, False, (Note(0.0, 1.0, 60, 110),), 0.0),
        Part("chords2", 48, False, (), 0.0),
        Part("drums", 0, True, (Note(0.2, 0.4, 38, 100),), 0.0),
    ]
    piano, nothing, drums = render_parts(parts, "timgm6mb", 1.0)
    assert np.abs(nothing).max() < 1e-3 * np.abs(piano).max()
    alone = render_parts(parts[2:], "timgm6mb", 1.0)[0]
    # FluidSynth starts notes on blocks of 64 samples, so the same snare may come a block earlier or later.
    products = np.correlate(drums[:22050], alone[:22050], mode="full")
    lag = int(np.argmax(products)) - 22049
    assert abs(lag) <= 128
    assert products.max() > 0.99 * np.square(alone[:22050]).sum()


@fluidsynth
def test_a_corpus_goes_on_where_it_was_killed(tmp_path):
    seeds = [3, 4]
    whole = write_corpus(tmp_path / "whole", seeds, ("timgm6mb",), duration=1.0, workers=1)
    # As a kill leaves it: one whole track, one half-written under its temporary name.
    killed = tmp_path / "killed"
    write_corpus(killed, seeds[:1], ("timgm6mb",), duration=1.0, workers=1)
    finished = (killed / "song_000003" / "bass.wav").stat().st_mtime_ns
    half = killed / ".song_000004.abc.unfinished"
    (half / "whole").mkdir(parents=True)
    (half / "whole" / "bass.wav").write_bytes(b"RIFF")
    (killed / ".song_000009.abc.unfinished.removed").mkdir()
    write_corpus(killed, seeds, ("timgm6mb",), duration=1.0, workers=2)
    assert (killed / "song_000003" / "bass.wav").stat().st_mtime_ns == finished
    assert sorted(path.name for path in killed.iterdir()) == ["song_000003", "song_000004"]
    for track in whole:
        assert contents(killed / track.name) == contents(track)


@fluidsynth
@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_the_missing_songs(tmp_path, workers):
    write_corpus(tmp_path, [5], ("timgm6mb",), 1.0, 1)
    progress = []
    for _ in range(2):
        write_corpus(tmp_path, [4, 5, 6], ("timgm6mb",), 1.0, workers, on_progress=progress.append)
    assert progress == [0.5, 1.0]


@pytest.mark.slow
@fluidsynth
@pytest.mark.parametrize("workers", [1, 2])
def test_a_corpus_killed_at_random_moments_ends_bit_equal(tmp_path, workers):
    """SIGKILL to the process that renders, while songs are under way; its workers must not outlive it."""
    seeds, killed = range(5), tmp_path / "killed"
    whole = {path.name: contents(path) for path in write_corpus(tmp_path / "whole", seeds, ("timgm6mb",), 2.0, 1)}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["latentstem.data.corpus"])
    moments = random.Random(workers)
    for _ in range(3):
        process = context.Process(target=write_corpus, args=(killed, seeds, ("timgm6mb",), 2.0, workers))
        process.start()
        before = unfinished(killed)
        while process.is_alive() and unfinished(killed) <= before:
            time.sleep(0.01)
        process.join(moments.uniform(0.0, 1.0))
        descendants = psutil.Process(process.pid).children(recursive=True) if process.is_alive() else []
        process.kill()
        process.join()
        for track in killed.glob("song_*"):
            assert contents(track) == whole[track.name]
        deadline = time.monotonic() + 30
        while any(running(child) for child in descendants):
            assert time.monotonic() < deadline, f"{descendants} live on"
            time.sleep(0.05)
    write_corpus(killed, seeds, ("timgm6mb",), 2.0, workers)
    assert {path.name: contents(path) for path in killed.iterdir()} == whole


def contents(track):
    return {path.name: path.read_bytes() for path in track.iterdir()}


def unfinished(root):
    return set(root.glob(".song_*"))


def running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@fluidsynth
def test_an_interrupted_corpus_begins_no_other_songs(tmp_path):
    def interrupt(fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_corpus(tmp_path, range(16), ("timgm6mb",), duration=1.0, workers=2, on_progress=interrupt)
    assert len([*tmp_path.iterdir()]) <= 8  # those at work, and those that wait for a worker
    assert not multiprocessing.active_children()


@fluidsynth
def test_a_run_leaves_the_unfinished_songs_of_another_alone(tmp_path):
    others = tmp_path / ".song_000009.abc.unfinished"
    others.mkdir()
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # as a run that is under way holds it
    write_corpus(tmp_path, [0], ("timgm6mb",), 1.0, 1)
    assert others.is_dir()
    os.close(handle)
    write_corpus(tmp_path, [0], ("timgm6mb",), 1.0, 1)
    assert not others.exists()


@fluidsynth
def test_what_a_killed_run_begins_late_is_removed_at_the_end(tmp_path):
    """Workers outlive a killed run by a moment, and the next run may have looked around before they begin a song."""

    def composed_beside_a_worker_of_a_killed_run(seed, duration):
        (tmp_path / ".song_000009.abc.unfinished" / "whole").mkdir(parents=True)
        return compose(seed, duration)

    write_corpus(tmp_path, [0], ("timgm6mb",), 1.0, 1, composed_beside_a_worker_of_a_killed_run)
    assert [path.name for path in tmp_path.iterdir()] == ["song_000000"]


@fluidsynth
def test_what_vanishes_while_it_is_removed_is_no_error(tmp_path, monkeypatch):
    (tmp_path / ".song_000009.abc.unfinished").mkdir()
    rename = Path.rename

    def finished_in_between(path, target):
        if path.name.endswith(".unfinished"):
            path.rmdir()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", finished_in_between)
    write_corpus(tmp_path, [0], ("timgm6mb",), 1.0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["song_000000"]


@fluidsynth
def test_a_folder_of_other_songs_is_refused(tmp_path):
    write_corpus(tmp_path, [1], ("timgm6mb",), 2.0, 1, partial(compose_artificial, "A1"))
    for other in (partial(compose_artificial, "A2"), compose):
        with pytest.raises(ValueError, match="song_000001 is another song"):
            write_corpus(tmp_path, [1, 2], ("timgm6mb",), 2.0, 1, other)
    with pytest.raises(ValueError, match="another song"):
        write_corpus(tmp_path, [1, 2], ("timgm6mb",), 6.0, 1, partial(compose_artificial, "A1"))
    assert [path.name for path in tmp_path.iterdir()] == ["song_000001"]


@fluidsynth
def test_a_track_holds_its_stems_and_its_annotation(tmp_path):
    (track,) = write_corpus(tmp_path, [7], ("timgm6mb",), duration=2.0)
    annotation = json.loads((track / "song.json").read_text())
    song = Song.from_dict(annotation["song"])
    assert song == compose(7, 2.0) and annotation["soundfont"] == "timgm6mb"
    assert {path.stem for path in track.glob("*.wav")} == {part.name for part in song.parts}
    rendered = render_song(song, "timgm6mb")
    for part in song.parts:
        info = soundfile.info(track / f"{part.name}.wav")
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (44100, 1, 88200, "PCM_16")
        audio, _ = soundfile.read(track / f"{part.name}.wav", dtype="float32")
        assert np.abs(audio - rendered[part.name]).max() <= 1 / 32768


def test_a_missing_synthesizer_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SynthesizerNotFoundError, match=r"Debian package fluidsynth$"):
        write_corpus(tmp_path / "corpus", [0])
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("fluidr3", "fluidr3mono-gm-soundfont"),
        ("musescore", "musescore-general-soundfont-small"),
        ("timgm6mb", "timgm6mb-soundfont"),
    ],
)
def test_a_missing_soundfont_names_its_package(monkeypatch, tmp_path, name, package):
    monkeypatch.setitem(synthesis.SOUNDFONTS, name, (synthesis.SOUNDFONTS[name][0], f"{tmp_path}/none*.sf3"))
    with pytest.raises(SoundfontNotFoundError, match=f"Debian package {package}$"):
        soundfont_path(name)


def test_an_unknown_soundfont_lists_the_known_ones():
    with pytest.raises(ValueError, match="expected one of fluidr3, musescore, timgm6mb"):
        soundfont_path("piano")


@fluidsynth
def test_a_damaged_soundfont_is_an_error_and_not_silence(monkeypatch, tmp_path):
    (tmp_path / "bad.sf2").write_bytes(b"not a soundfont")
    monkeypatch.setitem(synthesis.SOUNDFONTS, "timgm6mb", ("timgm6mb-soundfont", f"{tmp_path}/bad.sf2"))
    with pytest.raises(SynthesisError, match="silence: reinstall Debian package timgm6mb-soundfont"):
        render_parts(compose(0, 1.0).parts, "timgm6mb", 1.0)


@fluidsynth
def test_a_mixdown_is_the_sum_of_the_stems_with_their_annotation(tmp_path):
    (stems,) = write_corpus(tmp_path / "stems", [3], duration=8.0, workers=1, compose=compose_loop)
    (mixed,) = write_corpus(tmp_path / "mixed", [3], duration=8.0, workers=1, compose=compose_loop, mixdown="loop")
    assert {file.name for file in mixed.iterdir()} == {"loop.wav", "song.json"}
    loop = read_annotation(mixed)
    assert loop == read_annotation(stems) and read_instruments(mixed).keys() == set(loop.names)
    total = sum(soundfile.read(file)[0] for file in stems.glob("*.wav"))
    np.testing.assert_allclose(soundfile.read(mixed / "loop.wav")[0], total, atol=1e-3)
    assert len(StemFolder(tmp_path / "mixed", "loop", mix_stems=()).tracks) == 1
    with pytest.raises(StemError, match="has a stem beside 'loop'"):
        StemFolder(tmp_path / "mixed", "loop")
    with pytest.raises(ValueError, match="another song than seed 3"):
        write_corpus(tmp_path / "mixed", [3], duration=8.0, workers=1, compose=compose_loop)
    (played,) = write_corpus(tmp_path / "font", [3], ("timgm6mb",), duration=1.0, workers=1)
    with pytest.raises(ValueError, match="is played by timgm6mb"):
        read_instruments(played)
