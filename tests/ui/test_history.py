"""The takes of a visitor: they stay, are changed and removed by their owner alone, and lead to further takes."""

import json
import zipfile
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import read_audio, write_audio
from latentstem.data.score import Note
from latentstem.pipelines.quality import Quality
from latentstem.ui import history as history_module
from latentstem.ui.generator import Generator
from latentstem.ui.history import Take
from latentstem.ui.player import player_html
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.sessions import Sessions
from latentstem.ui.take_actions import begin_with, change_take
from latentstem.ui.take_files import Format, at_level, write_format

RATE = 44100


@pytest.fixture(scope="module")
def generator(build_pipeline):
    return Generator(build_pipeline(carriers=8, with_reranker=True))


@pytest.fixture(scope="module")
def mix(tmp_path_factory):
    path = tmp_path_factory.mktemp("mix") / "song.wav"
    write_audio(path, 0.5 * torch.rand(2, 30_000) - 0.25, RATE)
    return path


@pytest.fixture
def sessions(tmp_path):
    sessions = Sessions(tmp_path)
    for visitor in ("me", "them"):
        sessions.files.claim(sessions.files.home(visitor), visitor)
    return sessions


def make(sessions, generator, mix, visitor="me", **settings):
    """Run a request, and return all takes of the visitor."""
    request = GenerationRequest(mix, quality=Quality.FAST, **settings)
    for _ in sessions.run(generator, request, visitor, ["the form"]):
        pass
    return sessions.history.takes(visitor)


def files_of(sessions, visitor):
    return {path for path in sessions.files.home(visitor).rglob("*") if path.is_file()}


def test_takes_of_earlier_presses_stay_and_others_do_not_see_them(sessions, generator, mix):
    make(sessions, generator, mix, seed=1)
    takes = make(sessions, generator, mix, seed=5, count=2)
    assert [take.result.seed for take in takes] == [1, 5, 6]
    assert all(take.shown.stem.file.is_file() for take in takes)
    assert sessions.history.takes("them") == []
    with pytest.raises(ValueError, match="no longer there"):
        change_take(sessions.history, "them", {"action": "delete", "name": takes[0].name})
    assert len(sessions.history.takes("me")) == 3


def test_a_deleted_take_leaves_no_file_and_the_others_theirs(sessions, generator, mix):
    first, second = make(sessions, generator, mix, count=2)
    kept = {sound.file for sound in (second.shown.mix, second.shown.stem, second.shown.both)}
    change_take(sessions.history, "me", {"action": "delete", "name": first.name})
    assert files_of(sessions, "me") == kept | {file.with_suffix(".png") for file in kept}
    change_take(sessions.history, "me", {"action": "delete", "name": second.name})
    assert files_of(sessions, "me") == set() and sessions.history.takes("me") == []


def test_what_is_gone_from_the_disk_is_gone_from_the_history(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    take.result.stem.file.unlink()
    assert sessions.history.takes("me") == []


def test_the_oldest_without_a_star_go_first_when_there_are_too_many(sessions, generator, mix, monkeypatch):
    monkeypatch.setattr(history_module, "_MOST_TAKES", 2)
    (first,) = make(sessions, generator, mix, seed=1)
    change_take(sessions.history, "me", {"action": "star", "name": first.name})
    make(sessions, generator, mix, seed=2)
    assert [take.result.seed for take in make(sessions, generator, mix, seed=3)] == [1, 3]
    monkeypatch.setattr(history_module, "_MOST_BYTES", 1)
    assert [take.result.seed for take in make(sessions, generator, mix, seed=4)] == [4]  # the newest stays


@pytest.fixture(scope="module")
def result(generator, mix, tmp_path_factory):
    request = GenerationRequest(mix, quality=Quality.FAST)
    *_, result = generator.generate(request, tmp_path_factory.mktemp("result"))
    return result


@given(decibels=st.integers(-12, 12))
def test_a_level_changes_the_stem_and_its_sum_with_the_mix(result, decibels):
    changed = at_level(result, decibels)
    stem, mixed = (read_audio(file)[0] for file in (result.stem.file, result.mix.file))
    expected = 10 ** (decibels / 20) * stem
    expected = expected / expected.abs().max().clamp(min=1)
    both = mixed + expected
    torch.testing.assert_close(read_audio(changed.stem.file)[0], expected, rtol=0, atol=2**-21)
    torch.testing.assert_close(
        read_audio(changed.both.file)[0], both / both.abs().max().clamp(min=1), rtol=0, atol=2**-20
    )


def test_another_level_replaces_the_files_of_the_one_before(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    original = files_of(sessions, "me")
    name = {"name": take.name, "action": "level"}
    change_take(sessions.history, "me", {**name, "decibels": -6})
    take.write(Format.FLAC)
    first = files_of(sessions, "me") - original
    assert {path.name for path in first if path.suffix == ".wav"} == {
        "song-bass-0-6dB.wav",
        "song-bass-0-6dB-with-mix.wav",
    }
    change_take(sessions.history, "me", {**name, "decibels": 3.0})
    assert not any(path.exists() for path in first)
    change_take(sessions.history, "me", {**name, "decibels": 0})
    assert files_of(sessions, "me") == original
    for wrong in (13, float("nan"), "3", None, True):
        with pytest.raises(ValueError, match="expected"):
            change_take(sessions.history, "me", {**name, "decibels": wrong})


def test_a_stem_comes_in_other_formats_and_everything_in_one_file(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    stem, _ = read_audio(take.shown.stem.file)
    torch.testing.assert_close(read_audio(write_format(take.shown, Format.FLAC))[0], stem, rtol=0, atol=2**-22)
    compressed = read_audio(write_format(take.shown, Format.MP3))[0]
    assert compressed.shape == stem.shape
    notes = (Note(0.1, 0.4, 40, 100),)
    with zipfile.ZipFile(write_format(take.shown, Format.ZIP, notes)) as archive:
        names = archive.namelist()
        settings = json.loads(archive.read("settings.json"))
        assert archive.read(names[0]) == take.shown.stem.file.read_bytes()
    assert names == [
        "song-bass-0.wav",
        "song-bass-0-with-mix.wav",
        "song-bass-0.png",
        "song-bass-0.mid",
        "settings.json",
    ]
    assert (settings["mix"], settings["seed"], settings["quality"]) == ("song.wav", 0, "fast")


def test_notes_are_drawn_where_they_sound(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    assert "Piano roll" not in player_html([take])
    take.notes = (Note(0.1, 0.4, 40, 100),)
    assert '<rect x="0.1" y="79.5" width="0.3" height="1"/>' in player_html([take])


@pytest.mark.parametrize(
    ("action", "start", "end", "keep"),
    [
        ("redo", 0.2, 0.4, [(0.0, 0.2), (0.4, None)]),
        ("redo", 0.0, 0.4, [(0.4, None)]),
        ("redo", 0.2, 9.0, None),
        ("keep", 0.0, 0.3, [(0.0, 0.3)]),
        ("keep", 0.3, 0.7, [(0.3, None)]),
    ],
)
def test_a_part_is_made_anew_or_kept_alone(sessions, generator, mix, action, start, end, keep):
    (take,) = make(sessions, generator, mix)
    form = GenerationRequest(mix.with_name("gone.wav"), quality=Quality.FAST, seed=9, strength=0.3)
    data = {"action": action, "start": start, "end": end}
    if keep is None:
        with pytest.raises(ValueError, match="expected one within 0 to"):
            begin_with(take, form, data)
        return
    request = begin_with(take, form, data)
    assert (request.keep, request.strength, request.seed) == (keep, 1.0, 9)
    *_, made = generator.generate(request, sessions.history.new_folder("me"))
    before, after = read_audio(take.result.stem.file)[0], read_audio(made.stem.file)[0]
    for first, last in keep:
        inner = slice(round((first + 0.03 * (first > 0)) * RATE), round(((last or 1.0) - 0.03) * RATE))
        torch.testing.assert_close(after[:, inner], before[:, inner], rtol=0, atol=2**-21)
    assert (after - before).abs().max() > 1e-3


def test_a_variation_begins_with_the_take(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    request = begin_with(take, GenerationRequest(mix, strength=0.3, seed=4), {"action": "vary"})
    assert (request.sketch, request.keep, request.strength) == (take.result.stem.file, None, 0.3)
    original, distances = read_audio(take.result.stem.file)[0], []
    for strength in (0.1, 1.0):
        *_, made = generator.generate(replace(request, strength=strength), sessions.history.new_folder("me"))
        distances.append((read_audio(made.stem.file)[0] - original).norm())
    assert distances[0] < distances[1]


@pytest.mark.parametrize("data", [{}, {"action": "redo"}, {"action": "redo", "start": 0.4, "end": 0.2}])
def test_a_part_that_is_none_is_refused(sessions, generator, mix, data):
    (take,) = make(sessions, generator, mix)
    with pytest.raises(ValueError, match="expected"):
        begin_with(take, GenerationRequest(mix), data)
    with pytest.raises(ValueError, match="expected star, level"):
        change_take(sessions.history, "me", {"action": "fly", "name": take.name})
    with pytest.raises(ValueError, match="whole take"):
        begin_with(take, GenerationRequest(mix), {"action": "redo", "start": 0, "end": 0.68})


def test_a_take_may_be_shown_before_it_has_a_form(sessions, generator, mix):
    (take,) = make(sessions, generator, mix)
    assert take.form == ["the form"] and Take(take.result).form == ()
