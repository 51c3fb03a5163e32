"""What the tab of loops makes, without a browser: the pipeline's loops, in files of the visitor's own."""

import threading

import pytest
import torch

from latentstem import read_audio, write_audio
from latentstem.ui.generator import Generator, Queued
from latentstem.ui.loop_maker import STEPS, LoopMaker, LoopProgress, LoopRequest, LoopTake, loops_html, run_request
from latentstem.ui.runs import Runs
from latentstem.ui.visitor_files import VisitorFiles

REQUEST = LoopRequest(bpm=200.0, bars=1, prompt="dark techno", count=2, seed=7)


@pytest.fixture(scope="module")
def maker(build_pipeline, build_loop_pipeline):
    return LoopMaker(build_loop_pipeline(), Generator(build_pipeline(carriers=8), max_duration=10.0))


@pytest.fixture
def runs(tmp_path):
    files = VisitorFiles(tmp_path.resolve() / "files")
    files.folder.mkdir()
    assert files.claim(files.home("mine"), "me")
    return Runs(files)


def test_loops_are_those_of_the_pipeline(maker, tmp_path):
    reference = tmp_path / "reference.wav"
    write_audio(reference, torch.rand(2, 22050) - 0.5, 22050)
    request = LoopRequest(200.0, 1, "dark techno", reference, "| Am |", count=2, seed=7, reference_strength=0.5)
    events = list(maker.make(request, tmp_path))
    takes = [event for event in events if isinstance(event, LoopTake)]
    assert [take.seed for take in takes] == [7, 8] and all(take.picture.is_file() for take in takes)
    steps = [(event.loop, event.step) for event in events if isinstance(event, LoopProgress)]
    assert steps == [(0, 0), *((loop, step + 1) for loop in range(2) for step in range(STEPS))]
    heard, _ = read_audio(reference)
    sound = {"reference": _resampled(heard.mean(0, keepdim=True)), "sampling_rate": 44100, "reference_strength": 0.5}
    for take in takes:
        call = {**sound, "chords": "| Am |", "generator": take.seed, "num_inference_steps": STEPS}
        expected = maker.pipe(200.0, 1, "dark techno", **call).audios[0]
        torch.testing.assert_close(read_audio(take.file)[0], expected, atol=1e-3, rtol=0)


def _resampled(audio):
    from latentstem import resample

    return resample(audio, 22050, 44100)


def test_a_run_tells_of_its_loops_and_the_next_one_removes_them(maker, runs):
    updates = list(run_request(maker, REQUEST, runs, "me"))
    assert "2 loops of 1.20 s, generated in" in updates[-1][0]
    players = [html for _, html in updates if html]
    assert [html.count("<audio controls loop") for html in players] == [1, 2]
    assert "step 16 of 16" in "".join(text for text, _ in updates)
    (folder,) = {file.parent for file in runs.files.folder.rglob("*.wav")}
    list(run_request(maker, REQUEST, runs, "me"))
    assert not folder.exists()
    runs.end_all()
    assert not list(runs.files.folder.rglob("*.wav"))


def test_a_loop_outlives_its_run_and_nothing_else_is_handed_out(maker, runs):
    list(run_request(maker, REQUEST, runs, "me"))
    (first, _) = sorted(runs.files.folder.rglob("*.wav"))
    (runs.files.folder / "secret.wav").write_bytes(b"")
    (first.parent.parent / "other.wav").write_bytes(b"")
    copy = runs.file("me", first.name)
    assert copy.read_bytes() == first.read_bytes() and copy.is_relative_to(runs.files.home_of("me"))
    list(run_request(maker, REQUEST, runs, "me"))
    assert copy.is_file()
    for name in ("../other.wav", "../../secret.wav", "..", "", "missing.wav", "loop\0.wav"):
        with pytest.raises(ValueError, match="no longer there"):
            runs.file("me", name)
    with pytest.raises(ValueError, match="no longer there"):
        runs.file("another", first.name)


def test_a_run_that_is_stopped_keeps_what_is_finished(maker, runs):
    updates = []
    for update in run_request(maker, REQUEST, runs, "me"):
        updates.append(update)
        if update[1]:
            runs.stop("me")
    assert "Cancelled." in updates[-1][0]
    assert len(list(runs.files.folder.rglob("*.wav"))) == 1


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (LoopRequest(120.0, 4, "funky"), "the word &#x27;funky&#x27;, which is not known"),
        (LoopRequest(120.0, 4, chords="| Xyz |"), "Xyz"),
        (LoopRequest(20.0, 8), "8 bars at 20 beats a minute are too long"),
    ],
)
def test_what_cannot_work_is_said_on_the_page(maker, runs, request_, message):
    (*_, (text, html)) = run_request(maker, request_, runs, "me")
    assert message in text and 'role="alert"' in text and html is None


def test_loops_wait_for_stems(maker, tmp_path):
    held, release = threading.Event(), threading.Event()

    def hold():
        with maker.generator.turns.wait(print):
            held.set()
            release.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    events = maker.make(LoopRequest(300.0, 1), tmp_path)
    assert next(events) == Queued(1)
    release.set()
    *_, take = events
    thread.join()
    assert take.file.is_file()


def test_names_cannot_break_the_page(tmp_path):
    html = loops_html([LoopTake(1, tmp_path / '"><b>.wav', tmp_path / "a.png", 1.0, 120.0, chords='"><i>')])
    assert "<b>.wav" not in html and "<i>" not in html
