"""Takes in a real browser: they stay, and are varied, made anew in part, written in other formats and removed."""

from pathlib import Path

import pytest

import latentstem
from latentstem import read_audio
from latentstem.evaluation import analyse_mix

MIX = Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac"


@pytest.fixture(scope="module")
def server(shipped_page):
    return shipped_page


def take(page, number):
    return page.locator(f'.take[data-take="{number}"]')


def press(page, button):
    """Press a button that generates, and wait for the end."""
    button.click()
    page.locator("#status", has_text="generated in").wait_for(state="hidden")
    page.locator("#status", has_text="generated in").wait_for(timeout=120_000)


def mark(page, number, start, end):
    """Drag over a picture, from one fraction of its width to another."""
    box = take(page, number).locator(".picture").bounding_box()
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 60, steps=5)
    page.mouse.up()


def downloaded(page, folder, button):
    with page.expect_download() as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def stem_of(page, number, folder):
    return read_audio(downloaded(page, folder, take(page, number).get_by_role("link", name="stem, WAV")))[0]


@pytest.fixture
def page_with_a_take(page):
    page.locator("#mix input[type=file]").set_input_files(MIX)
    page.get_by_label("fast").check()
    page.get_by_label("number input for Takes").fill("1")
    press(page, page.get_by_role("button", name="Generate"))
    return page


def test_a_part_is_made_anew_and_plays_again_and_again(page_with_a_take, tmp_path):
    page = page_with_a_take
    mark(page, 0, 0.25, 0.5)
    assert page.locator(".marked").inner_text() == "3.0 to 6.0 s"
    page.get_by_role("button", name="Loop").click()
    audio = '.take[data-take="0"] audio[data-view=both]'
    page.evaluate("(selector) => (document.querySelector(selector).currentTime = 5.8)", audio)
    page.locator("#player").get_by_role("button", name="Play").click()
    page.wait_for_function("(s) => document.querySelector(s).currentTime < 4", arg=audio)  # it came back
    page.locator("#player").get_by_role("button", name="Pause").click()

    press(page, page.get_by_role("button", name="Make this part anew"))
    before, after = (stem_of(page, number, tmp_path) for number in (0, 1))
    changed = (before - after).abs().max(0).values > 1e-5
    first, *_, last = changed.nonzero().flatten() / 44100
    assert 3.0 - 0.05 < first < last < 6.0 + 0.05  # a pixel is 0.02 s
    assert "a part made anew" in take(page, 1).inner_text()

    press(page, take(page, 0).get_by_role("button", name="Vary"))
    assert "a variation, 0.6 free" in take(page, 2).inner_text()


def test_a_reload_keeps_the_takes_and_their_settings_to_be_changed(page_with_a_take):
    page = page_with_a_take
    seed = page.get_by_label("First seed").input_value()
    # Gradio aborts the stream of an event when it has ended; a reload before that is an error in its own console.
    begun = []
    page.on("request", lambda request: begun.append(request))
    with page.expect_event("requestfailed", lambda request: request in begun and "/queue/data?" in request.url):
        take(page, 0).get_by_role("button", name="Star").click()
    take(page, 0).get_by_role("button", name="Starred").wait_for()
    page.reload()
    take(page, 0).get_by_role("button", name="Starred").wait_for()
    take(page, 0).get_by_role("button", name="Use its settings").click()
    page.wait_for_function(
        "(seed) => [...document.querySelectorAll('input')].some((input) => input.value === seed)", arg=seed
    )
    assert page.get_by_label("fast").is_checked() and page.get_by_label("Keep the seed").is_checked()
    page.get_by_role("button", name="A part of the mix").click()
    page.get_by_label("From second").fill("4")
    page.get_by_role("button", name="Style (optional)").click()
    page.get_by_label("Or one of these").click()
    page.get_by_role("option", name="slap bass").click()
    page.locator("#style").get_by_text("0:08").first.wait_for()
    press(page, page.get_by_role("button", name="Generate"))  # the mix is back too
    made = take(page, 1)
    assert f"seed {seed}" in made.inner_text() and "in the sound of slap bass" in made.inner_text()
    assert made.get_by_role("slider", name="Position").get_attribute("aria-valuemax") == "8.0"
    take(page, 1).get_by_role("button", name="Delete").click()
    page.wait_for_function("() => document.querySelectorAll('.take').length === 1")
    page.once("dialog", lambda dialog: dialog.accept())  # it has a star
    take(page, 0).get_by_role("button", name="Delete").click()
    page.wait_for_function("() => document.querySelectorAll('.take').length === 0")


def test_a_take_is_heard_and_downloaded_at_another_level_and_in_other_formats(page_with_a_take, tmp_path):
    page = page_with_a_take
    original = stem_of(page, 0, tmp_path)
    take(page, 0).get_by_role("slider", name="Level of the stem").fill("-6")
    page.locator('.take[data-take="0"] a[download$="-6dB.wav"]').wait_for()
    quieter = stem_of(page, 0, tmp_path)
    assert (quieter - 10**-0.3 * original).abs().max() < 1e-6
    midi = downloaded(page, tmp_path, take(page, 0).get_by_role("button", name="MIDI"))
    assert midi.read_bytes()[:4] == b"MThd"
    take(page, 0).get_by_role("img", name="Piano roll").wait_for()
    flac = downloaded(page, tmp_path, take(page, 0).get_by_role("button", name="FLAC"))
    assert (read_audio(flac)[0] - quieter).abs().max() < 1e-6


def test_what_is_heard_in_the_mix_is_filled_in(page):
    page.get_by_role("button", name="Steering: tempo").click()
    page.get_by_role("button", name="Listen to the mix").click()
    page.locator("#heard").get_by_role("alert").filter(has_text="There is no mix yet").wait_for()
    page.locator("#mix input[type=file]").set_input_files(MIX)
    page.locator("#mix").get_by_text("0:12").first.wait_for()
    page.get_by_role("button", name="Listen to the mix").click()
    page.locator("#heard").get_by_role("status").filter(has_text="82.9 beats a minute").wait_for(timeout=60_000)
    assert page.get_by_label("Tempo").is_checked()
    assert float(page.get_by_label("Beats a minute").first.input_value()) == pytest.approx(82.9, abs=0.1)
    audio, rate = read_audio(MIX)
    chart = analyse_mix(audio.mean(0).numpy(), rate).chart
    assert page.get_by_role("textbox", name="Chords").first.input_value() == chart
    page.locator("#chord-strip").get_by_text(chart.split(":")[0]).first.wait_for()
