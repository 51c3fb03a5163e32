"""The tab of loops in a real browser: words and a tempo become loops that play over and over."""

import re

import pytest

from latentstem import read_audio


@pytest.fixture(scope="module")
def server(small_page):
    return small_page


@pytest.fixture
def tab(page):
    page.get_by_role("tab", name="Loops").click()
    return page


def test_words_and_a_tempo_become_loops_that_repeat(tab, tmp_path):
    tab.get_by_label("Prompt").fill("dark techno, no hats")
    tab.get_by_label("Beats a minute").fill("240")
    tab.get_by_role("button", name="Make loops").click()
    tab.locator("#loop-status", has_text=re.compile(r"2 loops of 4\.00 s, generated in")).wait_for(timeout=60_000)
    players = tab.locator("#loops audio")
    assert players.count() == 2 and players.first.evaluate("(audio) => audio.loop")
    tab.wait_for_function("() => document.querySelector('#loops audio').duration === 4")
    with tab.expect_download() as download:
        tab.get_by_role("link", name="WAV").first.click()
    download.value.save_as(tmp_path / "loop.wav")
    assert read_audio(tmp_path / "loop.wav")[0].shape == (1, 4 * 44100)


def test_a_loop_is_given_a_stem_that_loops(tab):
    tab.get_by_role("tab", name="Stem").click()
    tab.get_by_role("radio", name="drums").check()
    tab.get_by_role("tab", name="Loops").click()
    tab.get_by_label("Beats a minute").fill("480")
    tab.get_by_label("Prompt").fill("techno")
    tab.get_by_label("Chords").fill("| Am | F |")
    tab.get_by_role("button", name="Make loops").click()
    tab.get_by_role("button", name="Give it a bass").nth(1).click(timeout=60_000)
    tab.get_by_role("tab", name="Stem", selected=True).wait_for()
    tab.get_by_label("The mix is a loop").and_(tab.locator(":checked")).wait_for()
    steering = tab.locator("#steering")
    steering.get_by_text("Steering: tempo, chords").click()
    assert steering.get_by_label("Beats a minute").input_value() == "480"
    assert steering.get_by_role("textbox", name="Chords").input_value() == "| Am | F |"
    tab.get_by_role("radio", name="bass").and_(tab.locator(":checked")).wait_for()
    tab.get_by_label("Fast").check()
    tab.get_by_role("radio", name="drums").check()
    tab.get_by_role("button", name="Generate").click()
    tab.locator("#player .take").first.wait_for(timeout=60_000)
    assert "drums" in tab.locator("#player .take").first.inner_text()
    assert tab.locator("#player .picture").first.get_attribute("aria-valuemax") == "2.0"


def test_an_unknown_word_is_answered_with_those_that_are_known(tab):
    tab.get_by_label("Prompt").fill("funky")
    tab.get_by_role("button", name="Make loops").click()
    tab.locator("#loop-status .error", has_text="Known: dark, drums, hats, techno").wait_for(timeout=60_000)
    tab.get_by_role("button", name="Make loops").and_(tab.locator(":enabled")).wait_for(timeout=60_000)
