"""What the pad makes, without a browser: lines of its points, in files of the visitor's own, the newest one first."""

import re

import numpy as np
import pytest
import torch

from latentstem import AudioError, BassNetModel, BassNetPipeline, write_audio
from latentstem.pipelines import ControlPath
from latentstem.pipelines.bassnet_files import generate_line_file
from latentstem.ui.generator import Generator, Queued, check_sounding
from latentstem.ui.line_maker import LineMaker, LineRequest, MixSession, read_points
from latentstem.ui.line_results import LineResult, line_html
from latentstem.ui.line_sessions import LineSessions
from latentstem.ui.visitor_files import VisitorFiles

POINT = ((1.0, -1.0),)


@pytest.fixture
def maker(build_pipeline, bassnet):
    return LineMaker(bassnet, Generator(build_pipeline(carriers=8), max_duration=10.0))


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "my mix.wav"
    write_audio(path, 0.1 * torch.randn(2, 88_200, generator=torch.Generator().manual_seed(0)), 44100)
    return path


@pytest.fixture
def session(tmp_path, mix):
    folder = tmp_path / "session"
    folder.mkdir()
    return MixSession(folder, mix)


@pytest.fixture
def sessions(tmp_path):
    files = VisitorFiles(tmp_path.resolve() / "files")
    files.folder.mkdir()
    assert files.claim(files.home("mine"), "me") and files.claim(files.home("theirs"), "they")
    return LineSessions(files)


def last(events):
    *_, event = events
    assert isinstance(event, LineResult) and event.finished
    return event


@pytest.mark.parametrize("points", [POINT, ((0.0, 0.0), (2.0, 2.0), (-3.0, 1.0))])
def test_the_roll_holds_the_notes_of_the_line(maker, bassnet, mix, session, points):
    result = last(maker.make(LineRequest(mix, points), session))
    control = points[0] if len(points) == 1 else ControlPath(np.linspace(0, 2, len(points)), points)
    expected = [bent.note for bent in generate_line_file(bassnet, mix, control).line.notes()]
    assert [(note.start, note.pitch) for note in result.notes] == [(note.start, note.pitch) for note in expected]
    rects = re.findall(r'<rect x="(.*?)" y="(.*?)" width="(.*?)" height="1"', line_html(result))
    np.testing.assert_allclose(
        np.array(rects, float), [(note.start, -note.pitch - 0.5, note.end - note.start) for note in expected], atol=1e-4
    )


def test_a_moved_point_only_decodes(maker, bassnet, mix, session, monkeypatch):
    first = last(maker.make(LineRequest(mix, POINT), session))
    monkeypatch.setattr(bassnet, "analyse_stream", None)
    second = last(maker.make(LineRequest(mix, ((-2.0, 2.0),)), session))
    assert second.notes != first.notes
    assert second.files.mix == first.files.mix and second.files.stem.read_bytes() != first.files.stem.read_bytes()


def test_notes_are_shown_before_their_sound_and_the_last_sound_until_then(maker, mix, session):
    first = last(maker.make(LineRequest(mix, POINT), session))
    events = maker.make(LineRequest(mix, ((-2.0, 2.0),)), session)
    early, late = [event for event in events if isinstance(event, LineResult)]
    assert not early.finished
    assert late.finished and late.notes == early.notes and early.files == first.files


def test_of_a_long_mix_the_beginning_is_shown_first(maker, tmp_path, session, monkeypatch):
    monkeypatch.setattr("latentstem.ui.line_maker._SHOW_SECONDS", 0.0)
    write_audio(tmp_path / "long.wav", 0.1 * torch.randn(1, 160_000), 16_000)
    session.path = tmp_path / "long.wav"
    lines = [event for event in maker.make(LineRequest(session.path, POINT), session) if isinstance(event, LineResult)]
    shown = [[(note.start, note.pitch) for note in line.notes] for line in lines]
    assert len(shown[0]) < len(shown[-2]) == len(shown[-1]) and lines[0].notes[-1].end < 8.1
    assert shown[0][:20] == shown[-1][:20]


def test_files_of_lines_before_the_last_two_are_removed(maker, mix, session):
    made = [last(maker.make(LineRequest(mix, ((float(x), 0.0),)), session)) for x in range(3)]
    assert [result.files.stem.exists() for result in made] == [False, True, True]
    assert len([path for path in session.folder.iterdir() if path.is_dir()]) == 2


def test_a_line_waits_for_the_stem_that_is_generated(maker, mix, session):
    with maker.generator.turns.wait(print):
        events = maker.make(LineRequest(mix, POINT), session)
        assert next(events) == Queued(1)
    assert last(events)


def test_a_newer_point_takes_the_place_of_the_one_that_is_worked_on(maker, mix, sessions):
    older = sessions.run(maker, LineRequest(mix, POINT), "me")
    assert "Listening" in next(older)[0]
    next(older)
    newer = [*sessions.run(maker, LineRequest(mix, ((2.0, 2.0),)), "me")]
    assert [*older] == []
    assert "A line of 2.0 s" in newer[-1][0]


def test_a_visitors_files_are_theirs_alone_and_gone_when_they_leave(maker, mix, sessions):
    *_, (_, html) = sessions.run(maker, LineRequest(mix, POINT), "me")
    files = sessions.files
    names = {name.replace("%20", " ") for name in re.findall(r"file=([^\"]*)", html)}
    assert {name.rpartition("/")[2] for name in names} == {
        "spectrogram.png",
        "mix.wav",
        "bassline.wav",
        "bassline-with-mix.wav",
        "bassline.mid",
    }
    assert all(files.owns(files.home("mine"), name) and not files.owns(files.home("theirs"), name) for name in names)
    sessions.end("they")
    assert all(files.owns(files.home("mine"), name) for name in names)
    sessions.end("me")
    assert not any(path.is_file() for path in files.folder.rglob("*"))


def test_another_mix_takes_the_place_of_the_last_one(maker, mix, sessions, tmp_path):
    *_, (_, first) = sessions.run(maker, LineRequest(mix, POINT), "me")
    write_audio(tmp_path / "other.wav", 0.1 * torch.randn(1, 24_000), 8000)
    *_, (status, second) = sessions.run(maker, LineRequest(tmp_path / "other.wav", POINT), "me")
    assert "A line of 3.0 s" in status and first != second
    assert len([*sessions.files.home("mine").iterdir()]) == 1


@pytest.mark.parametrize(
    "audio", [torch.zeros(1, 8000), torch.ones(2, 8000) * torch.tensor([[0.5], [-0.5]]), torch.rand(1, 88_000), None]
)
def test_mixes_that_cannot_be_used_are_refused(maker, sessions, tmp_path, audio):
    file = tmp_path / "mix.wav"
    if audio is None:
        file.write_bytes(b"no audio")
    else:
        write_audio(file, audio, 8000)
    *_, (status, html) = sessions.run(maker, LineRequest(file, POINT), "me")
    assert 'role="alert"' in status and html == "" and str(tmp_path) not in status
    try:
        check_sounding(file, 10.0)
    except AudioError as error:
        assert str(error).replace(str(file), file.name) in status.replace("&#x27;", "'")
    else:
        assert "cancel" in status


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"points": []}',
        '{"points": [[0]]}',
        '{"points": [[0, 4]]}',
        '{"points": [[0, NaN]]}',
        '{"points": [["a", 0]]}',
        '{"points": ' + 1001 * "[[0, 0],",
        "[" * 100_000,
        str({"points": [[0, 0]] * 1001}).replace("'", '"'),
    ],
)
def test_values_that_the_pad_does_not_send_are_refused(text):
    with pytest.raises(ValueError, match="load the page again"):
        read_points(text)


def test_a_control_of_another_size_than_the_pads_is_refused(maker):
    model = BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1, control_dim=3)
    with pytest.raises(ValueError, match="control of 3 numbers"):
        LineMaker(BassNetPipeline(model), maker.generator)
