"""The page in a real browser: from an uploaded mix to a bass that plays and can be kept, and nothing from elsewhere."""

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch

import latentstem
from latentstem import StemAccompanimentPipeline, read_audio
from latentstem.cli import main
from latentstem.pipelines.quality import Quality

MIX = Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac"


@pytest.fixture(scope="module")
def server(shipped_page):
    return shipped_page


def upload(page, name, path):
    page.locator(f"#{name} input[type=file]").set_input_files(path)


def choose(page, quality, takes=1):
    page.get_by_label(quality).check()
    page.get_by_label("number input for Takes").fill(str(takes))


def time_of(page, audio):
    return page.evaluate("(selector) => document.querySelector(selector).currentTime", audio)


def generated(page):
    """Press the button, and wait for what it leads to."""
    page.get_by_role("button", name="Generate").click()
    page.locator("#status", has_text="generated in").wait_for(state="hidden")  # that of the run before
    page.locator("#status", has_text="generated in").wait_for(timeout=120_000)


def test_a_mix_becomes_a_bass_that_plays_and_is_downloaded(page, tmp_path):
    upload(page, "mix", MIX)
    choose(page, "fast", takes=2)
    page.get_by_label("Keep the seed").check()
    generated(page)
    assert page.locator(".take").count() == 2

    # It plays, and the switch to the other take and the other view keeps the place.
    both, other = (f'.take[data-take="{take}"] audio[data-view=both]' for take in (0, 1))
    player = page.locator("#player")
    player.get_by_role("button", name="Play").click()
    page.wait_for_function("(selector) => document.querySelector(selector).currentTime > 0.5", arg=both)
    page.locator('.take[data-take="1"] .pick').click()
    page.wait_for_function("(selector) => !document.querySelector(selector).paused", arg=other)
    page.wait_for_function("(selector) => document.querySelector(selector).paused", arg=both)
    switched = time_of(page, other)
    assert 0.5 < switched < time_of(page, both) + 5
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).currentTime > before + 0.3", arg=[other, switched]
    )
    player.get_by_role("button", name="Stem", exact=True).click()
    stem = '.take[data-take="1"] audio[data-view=stem]'
    page.wait_for_function("(selector) => !document.querySelector(selector).paused", arg=stem)
    assert time_of(page, stem) >= switched
    player.get_by_role("button", name="Pause").click()
    assert page.evaluate("[...document.querySelectorAll('audio')].every((audio) => audio.paused)")

    # A click on the picture leads to that place.
    picture = page.locator('.take[data-take="0"] .picture')
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] / 4, "y": 20})
    assert time_of(page, '.take[data-take="0"] audio[data-view=stem]') == pytest.approx(3.0, abs=0.1)

    # What is kept is what the pipeline makes.
    with page.expect_download() as download:
        page.locator('.take[data-take="1"]').get_by_role("link", name="stem").click()
    assert download.value.suggested_filename == "mix-1-bass-1.wav"
    download.value.save_as(tmp_path / "bass.wav")
    stem, rate = read_audio(tmp_path / "bass.wav")
    mix, mix_rate = read_audio(MIX)
    assert (rate, stem.shape[1]) == (mix_rate, mix.shape[1])
    assert stem.abs().max() > 0.01
    pipe = StemAccompanimentPipeline.from_pretrained("bass")
    pipe.set_progress_bar_config(disable=True)
    steps = Quality.FAST.apply_to(pipe)
    made = pipe(mix, sampling_rate=rate, num_inference_steps=steps, generator=torch.Generator().manual_seed(1)).audios[
        0
    ]
    torch.testing.assert_close(stem, made, rtol=0, atol=1e-3)


def test_a_file_that_is_no_audio_is_refused_with_a_friendly_line(page, tmp_path):
    (tmp_path / "holiday.wav").write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nonsense")
    upload(page, "mix", tmp_path / "holiday.wav")
    page.get_by_role("button", name="Generate").click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "holiday.wav: cannot be read as audio" in alert.inner_text()
    assert "Traceback" not in page.content() and "latentstem-ui-" not in alert.inner_text()
    page.get_by_role("button", name="Generate", disabled=False).wait_for()  # the page goes on working


def test_sampling_shows_what_it_becomes_and_can_be_cancelled(page):
    upload(page, "mix", MIX)
    choose(page, "best", takes=8)
    page.get_by_role("button", name="Generate").click()
    preview = page.locator("#status img.preview")
    preview.wait_for(timeout=30_000)
    first = preview.get_attribute("src")
    page.wait_for_function("(first) => document.querySelector('#status img.preview').src != first", arg=first)
    page.get_by_role("button", name="Cancel").click()
    page.locator("#status", has_text="Cancelled").wait_for(timeout=20_000)
    choose(page, "fast")
    generated(page)  # the model is free again


def test_every_press_gives_new_takes_unless_the_seed_is_kept(page):
    upload(page, "mix", MIX)
    choose(page, "fast")
    seeds = []
    for press in range(2):
        generated(page)
        seeds.append(page.get_by_label("First seed").input_value())
        assert f"seed {seeds[-1]}" in page.locator(f'.take[data-take="{press}"] header').inner_text()
    page.get_by_label("Keep the seed").check()
    generated(page)
    seeds.append(page.get_by_label("First seed").input_value())
    assert seeds[0] != seeds[1] == seeds[2]


def test_the_second_tab_writes_bass_lines(page):
    page.get_by_role("button", name="Generate").wait_for()
    assert page.get_by_role("tab").all_inner_texts() == ["Stem", "Bass line", "Loops"]
    assert page.locator("#pad").count() == 0  # not before it is opened


def answer(request):
    """The status with which the server answers."""
    try:
        with urllib.request.urlopen(request) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_another_name_that_leads_here_is_turned_away(server):
    assert answer(urllib.request.Request(server[0], headers={"Host": "evil.example"})) == 400


def test_what_is_larger_than_the_longest_file_is_not_taken(server):
    url, folder = server
    with urllib.request.urlopen(url) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="big.wav"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b", "Cookie": cookie}
    for size, taken in ((1_000_000, True), (30_000_000, False)):
        body = head + bytes(size) + b"\r\n--b--\r\n"
        try:
            status = answer(urllib.request.Request(f"{url}gradio_api/upload", body, kind))
        except OSError:  # it may hang up in the middle
            status = 413
        assert status == (200 if taken else 413)
        assert any(path.stat().st_size == size for path in folder.rglob("*.wav")) == taken


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_named_and_a_wide_address_warned_of(server, host, capsys):
    port = str(urlsplit(server[0]).port)
    assert main(["ui", "--host", host, "--port", port, "--no-open"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: cannot listen on") and f"port {port}" in lines[-1]
    assert [line.startswith("note: others may reach 0.0.0.0") for line in lines[:-1]] == [True] * (host != "127.0.0.1")
