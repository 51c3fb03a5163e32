"""BassNet's pad in a real browser: a point and a path become lines that are seen, heard and downloaded."""

from pathlib import Path

import numpy as np
import pytest
import torch

import latentstem
from latentstem import read_audio, write_audio
from latentstem.pipelines import ControlPath
from latentstem.pipelines.bassnet_files import generate_line_file

MIX = Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac"
SECONDS = 4.0


@pytest.fixture(scope="module")
def mix(tmp_path_factory):
    audio, rate = read_audio(MIX)
    path = tmp_path_factory.mktemp("mix") / "my mix.wav"
    write_audio(path, audio[:, : round(SECONDS * rate)], rate)
    return path


@pytest.fixture(scope="module")
def server(small_page):
    return small_page


@pytest.fixture
def pad(page, mix):
    """The page with the pad and the line of a mix at the origin."""
    page.get_by_role("tab", name="Bass line").click()
    page.locator("#line-mix input[type=file]").set_input_files(mix)
    finished(page)
    return page


def finished(page):
    """Wait for a line with its sound: only then there are links."""
    page.locator("#line-status", has_text=f"A line of {SECONDS:.1f} s").wait_for(timeout=60_000)
    page.locator("#line .downloads a").first.wait_for(timeout=60_000)


def drawn(page):
    """Notes of the piano roll: times in hundredths of a second, and pitches."""
    rects = page.locator("#line rect").evaluate_all(
        "(rects) => rects.map((rect) => ['x', 'width', 'y'].map((name) => Number(rect.getAttribute(name))))"
    )
    return [(round(100 * x), round(100 * width), round(-y - 0.5)) for x, width, y in rects]


def moved(page, before):
    """The notes that come in place of those before, when their sound is there too."""
    page.wait_for_function(
        "(before) => document.querySelector('#line svg').innerHTML !== before", arg=before, timeout=60_000
    )
    finished(page)
    return drawn(page)


def roll(page):
    return page.locator("#line svg").inner_html()


def same_notes(bassnet, mix, control, notes):
    """Share of the notes that the pipeline makes which are those given: rounding may move a few."""
    expected = {
        (round(100 * bent.note.start), round(100 * (bent.note.end - bent.note.start)), bent.note.pitch)
        for bent in generate_line_file(bassnet, mix, control).line.notes()
    }
    return len(expected & set(notes)) / max(len(expected), len(notes))


def field_position(page, x, y):
    box = page.locator("#pad .field").bounding_box()
    return box["x"] + box["width"] * (x + 3) / 6, box["y"] + box["height"] * (3 - y) / 6


def handle(page):
    circle = page.locator("#pad .handle")
    return float(circle.get_attribute("cx")), -float(circle.get_attribute("cy"))


def test_a_moved_point_changes_the_line_and_all_that_is_downloaded(pad, bassnet, mix, tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    first, before = drawn(pad), roll(pad)
    assert same_notes(bassnet, mix, (0.0, 0.0), first) > 0.95
    pad.mouse.click(*field_position(pad, 1.8, -1.2))
    notes = moved(pad, before)
    assert handle(pad) == pytest.approx((1.8, -1.2), abs=0.03)
    assert same_notes(bassnet, mix, handle(pad), notes) > 0.95
    assert same_notes(bassnet, mix, (0.0, 0.0), notes) < 0.8

    for link, name in (("MIDI", "bassline.mid"), ("line, WAV", "bassline.wav"), ("with mix", "bassline-with-mix.wav")):
        with pad.expect_download() as download:
            pad.locator("#line").get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    (instrument,) = pretty_midi.PrettyMIDI(str(tmp_path / "bassline.mid")).instruments
    written = [(note.start, note.end - note.start, note.pitch) for note in instrument.notes]
    np.testing.assert_allclose(written, np.array(notes) * [0.01, 0.01, 1], atol=2e-3)
    (line, rate), (both, _), (audio, mix_rate) = (
        read_audio(file) for file in (tmp_path / "bassline.wav", tmp_path / "bassline-with-mix.wav", mix)
    )
    assert rate == mix_rate and line.shape[1] == audio.shape[1] and line.abs().max() > 0.01
    expected = audio + line
    torch.testing.assert_close(both, expected / expected.abs().max().clamp(min=1), rtol=0, atol=2**-21)


def test_a_drawn_path_is_followed(pad, bassnet, mix):
    pad.get_by_role("button", name="Path over the mix").click()
    before = roll(pad)
    pad.mouse.move(*field_position(pad, -2.0, -2.0))
    pad.mouse.down()
    pad.mouse.move(*field_position(pad, 2.0, 1.0), steps=10)
    pad.mouse.move(*field_position(pad, 2.0, 2.5), steps=5)
    pad.mouse.up()
    notes = moved(pad, before)
    points = [
        [float(x), -float(y)]
        for x, y in (pair.split(",") for pair in pad.locator("#pad polyline").get_attribute("points").split())
    ]
    apart = np.hypot(*np.diff(points, axis=0).T)
    assert apart.min() > 0.09 and apart.max() < 0.2  # however fast the hand is
    np.testing.assert_allclose([points[0], points[-1]], [[-2.0, -2.0], [2.0, 2.5]], atol=0.03)
    path = ControlPath(np.linspace(0, SECONDS, len(points)), points)
    assert same_notes(bassnet, mix, path, notes) > 0.95
    assert same_notes(bassnet, mix, points[-1], notes) < 0.8


def test_the_pad_is_used_with_keys_and_with_numbers(pad, bassnet, mix):
    before = roll(pad)
    pad.locator("#pad .field").focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "ArrowLeft", "Shift+ArrowDown"):
        pad.keyboard.press(key)
    notes = moved(pad, before)
    assert handle(pad) == pytest.approx((0.9, -0.5), abs=1e-6)
    assert pad.locator("#pad .said").inner_text() == "x 0.9, y -0.5"
    assert same_notes(bassnet, mix, (0.9, -0.5), notes) > 0.95

    before = roll(pad)
    pad.get_by_label("x", exact=True).fill("-7")
    pad.keyboard.press("Tab")
    notes = moved(pad, before)
    assert handle(pad) == pytest.approx((-3.0, -0.5))
    assert same_notes(bassnet, mix, (-3.0, -0.5), notes) > 0.95

    pad.get_by_role("button", name="Path over the mix").click()
    pad.locator("#pad .field").focus()
    before = roll(pad)
    for key in ("Shift+ArrowRight", "Enter", "Shift+ArrowUp", "Enter", "Enter", "Backspace"):
        pad.keyboard.press(key)
    notes = moved(pad, before)
    path = ControlPath([0, SECONDS / 2, SECONDS], [[-3.0, -0.5], [-2.5, -0.5], [-2.5, 0.0]])
    assert same_notes(bassnet, mix, path, notes) > 0.95


def test_a_known_pattern_is_shown_and_chosen(pad, bassnet, mix):
    ellipse = pad.locator("#pad .pattern")
    assert ellipse.count() == 1
    # Its extent on the screen is that of the standard deviations around its mean.
    box, field = ellipse.bounding_box(), pad.locator("#pad .field").bounding_box()
    unit = field["width"] / 6
    middle = (box["x"] + box["width"] / 2 - field["x"], box["y"] + box["height"] / 2 - field["y"])
    assert middle == pytest.approx((4.5 * unit, 3.5 * unit), abs=0.05 * unit)
    before = roll(pad)
    pad.get_by_label("Pattern").select_option("walking")
    notes = moved(pad, before)
    assert handle(pad) == pytest.approx((1.5, -0.5))
    assert same_notes(bassnet, mix, "walking", notes) > 0.95
    pad.mouse.click(*field_position(pad, -1.0, 1.0))
    assert pad.get_by_label("Pattern").input_value() == ""


def test_what_is_heard_goes_on_with_the_new_line(pad):
    sound = "document.querySelector('#line audio[data-view=both]')"
    pad.locator("#line").get_by_role("button", name="Play").click()
    pad.wait_for_function(f"{sound}.currentTime > 0.2")
    pad.evaluate(f"{sound}.playbackRate = 0.1")  # it must not end before the new line is there, on a busy machine
    source = pad.evaluate(f"{sound}.src")
    pad.mouse.click(*field_position(pad, -1.0, 1.0))
    pad.wait_for_function(
        "(source) => document.querySelector('#line audio[data-view=both]').src !== source", arg=source
    )
    pad.wait_for_function(f"{sound}.currentTime > 0.2 && !{sound}.paused")


def test_a_narrow_page_shows_all_of_it_and_is_used_by_touch(pad, bassnet, mix):
    pad.set_viewport_size({"width": 390, "height": 844})
    assert pad.evaluate("document.documentElement.scrollWidth") == 390
    for part in ("#pad .field", "#line .picture", "#line .hint"):
        box = pad.locator(part).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390

    pad.locator("#pad .field").scroll_into_view_if_needed()
    finger, before = pad.context.new_cdp_session(pad), roll(pad)
    for kind, point in (("touchStart", (0.0, 0.0)), ("touchMove", (1.0, 1.5)), ("touchMove", (1.5, 2.0))):
        x, y = field_position(pad, *point)
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    notes = moved(pad, before)
    assert handle(pad) == pytest.approx((1.5, 2.0), abs=0.05)
    assert same_notes(bassnet, mix, handle(pad), notes) > 0.95


def test_a_silent_mix_is_refused_and_another_one_taken(pad, mix, tmp_path):
    write_audio(tmp_path / "silence.wav", torch.zeros(1, 44100), 44100)
    pad.locator("#line-mix").get_by_label("Clear").click()
    pad.locator("#line-status", has_text="Drop a mix").wait_for()
    assert pad.locator("#line .take").count() == 0
    upload = pad.locator("#line-mix input[type=file]")
    upload.set_input_files(tmp_path / "silence.wav")
    alert = pad.locator("#line-status").get_by_role("alert")
    alert.wait_for()
    assert "silence.wav: is silence from beginning to end" in alert.inner_text()
    pad.locator("#line-mix").get_by_label("Clear").click()
    upload.set_input_files(mix)
    finished(pad)
    assert drawn(pad)


def test_a_line_is_given_a_sound(pad, tmp_path):
    stem = pad.get_by_role("tab", name="Stem")
    stem.click()
    line_box = pad.get_by_label("Play the bass line")
    assert not line_box.is_checked()
    pad.get_by_role("tab", name="Bass line").click()
    pad.get_by_role("button", name="Give the line a sound").click()
    line_box.wait_for()
    assert stem.get_attribute("aria-selected") == "true" and line_box.is_checked()
    pad.get_by_label("fast").check()
    pad.get_by_label("number input for How freely").fill("0.3")
    pad.get_by_role("button", name="Generate").click()
    pad.locator("#status", has_text="generated in").wait_for(timeout=120_000)
    with pad.expect_download() as download:
        pad.locator(".take").first.get_by_role("link", name="stem").click()
    assert download.value.suggested_filename.startswith("my mix-bass-")
    download.value.save_as(tmp_path / "stem.wav")
    audio, rate = read_audio(tmp_path / "stem.wav")
    assert audio.shape[1] == SECONDS * rate and audio.abs().max() > 0  # of an untrained net


def test_without_a_line_there_is_none_to_be_played(page):
    page.get_by_label("Play the bass line").check()
    page.get_by_role("button", name="Generate").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "There is no line yet" in alert.inner_text()
    page.get_by_role("tab", name="Bass line").click()
    assert page.get_by_role("button", name="Give the line a sound").count() == 0
