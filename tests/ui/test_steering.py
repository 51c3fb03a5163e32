"""Steering on the page: what is given reaches the net, and nothing else; errors are those of the command line."""

import asyncio
import html
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import StemAccompanimentPipeline, read_audio, write_audio
from latentstem.cli import main
from latentstem.conditioning import Controls
from latentstem.pipelines.quality import Quality
from latentstem.ui.chord_strip import strip_html
from latentstem.ui.generator import Generator
from latentstem.ui.history import Take
from latentstem.ui.page import build_page
from latentstem.ui.player import player_html
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result
from latentstem.ui.sessions import Sessions
from latentstem.ui.steering import read_controls, tempo_and_chords_html

CHANNELS = {"beat": 4, "chords": 25, "density": 2, "register": 2}
CHART = "| C | Am7 F |\n| % | G/B |"
SECONDS = 6.0


@pytest.fixture(scope="module")
def weights(build_pipeline, tmp_path_factory):
    """Weights whose net has controls, and whose output depends on them."""
    folder = tmp_path_factory.mktemp("weights")
    build_pipeline(carriers=8, controls=CHANNELS).save_pretrained(folder)
    return folder


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "my mix.wav"
    write_audio(path, torch.rand(1, round(SECONDS * 44100)) - 0.5, 44100)
    return path


def made(weights, mix, controls):
    """The stem that the pipeline makes of a mix and controls."""
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    audio, rate = read_audio(mix)
    frames = -(-audio.shape[1] // 4096)
    conditions = controls.conditions(frames, 44100 / 4096)
    steps = Quality.FAST.apply_to(pipe)
    return pipe(
        audio,
        sampling_rate=rate,
        num_inference_steps=steps,
        conditions=conditions,
        generator=torch.Generator().manual_seed(0),
    ).audios[0]


def test_what_is_left_alone_is_not_given():
    assert read_controls() == read_controls(False, 96.0, 0.4, " \n", False, 7.0, False, 50.0) == Controls()
    assert read_controls(True, 96.0, 0.4, CHART, True, 0, True, 36) == Controls(
        bpm=96.0, downbeat=0.4, chords=CHART, density=0, register=36
    )


WRONG = [
    {"bpm": 2.0},
    {"bpm": 1e9},
    {"downbeat": 1.5},
    {"bpm": 96.0, "chords": "| C | Hm |"},
    {"chords": "| C | F |"},
    {"chords": "C:2 F:1"},
    {"bpm": 96.0, "chords": "| <b>C</b> |"},
    {"chords": 'C "&'},
    {"bpm": 96.0, "chords": "|"},
]


@pytest.mark.parametrize("given", WRONG)
def test_errors_are_those_of_the_command_line_at_their_box(given, capsys):
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    assert main(["accompany", __file__, *words]) == 2  # options are looked at before what is in the file
    (line,) = capsys.readouterr().err.splitlines()
    tempo, chords = tempo_and_chords_html(SECONDS, sets_tempo=True, **given)
    shown, other = (chords, tempo) if "chords" in given else (tempo, chords)
    (error,) = re.findall('<p class="message error" role="alert">(.*?)</p>', shown)
    assert f"error: {html.unescape(error)}" == line
    assert "error" not in other and "<b>" not in shown


def test_a_chart_is_never_the_name_of_a_file(tmp_path):
    (tmp_path / "chart").write_text("| C |")
    _, chords = tempo_and_chords_html(SECONDS, True, 96.0, 0.0, str(tmp_path / "chart"))
    assert "cannot read" in chords and 'class="chord"' not in chords


def placed(strip, name):
    """Text, start and end in seconds of the parts of a strip."""
    parts = re.findall(rf'<span class="{name}" style="left: ([\d.]+)%(?:; width: ([\d.]+)%)?".*?>(.*?)</span>', strip)
    return [
        (text, float(left) * SECONDS / 100, (float(left) + float(width or 0)) * SECONDS / 100)
        for left, width, text in parts
    ]


def lines(strip, name):
    """Seconds of the lines of a strip."""
    (path,) = re.findall(f'<path class="{name}" d="(.*?)"', strip)
    return [float(time) for time in re.findall(r"M([\d.]+) 0V1", path)]


def test_chords_stand_at_their_times_within_the_mix():
    strip = strip_html(Controls(bpm=120.0, downbeat=-1.0, chords=CHART), SECONDS)
    expected = [("C", 0, 1), ("Am7", 1, 2), ("F", 2, 3), ("Am7", 3, 4), ("F", 4, 5), ("G/B", 5, 6)]
    assert [text for text, *_ in placed(strip, "chord")] == [text for text, *_ in expected]
    np.testing.assert_allclose(
        [times for _, *times in placed(strip, "chord")], [times for _, *times in expected], atol=1e-5
    )
    assert "6 chords, up to 0:06 of 0:06." in strip
    late = strip_html(Controls(chords="N:0 C:2 F:5 G:6"), SECONDS)
    assert [text for text, *_ in placed(late, "chord")] == ["C", "F"] and "0:06 of 0:06; 1 outside the mix" in late
    assert "No chord of the chart is within the mix" in strip_html(Controls(chords="C:7"), SECONDS)


@given(bpm=st.floats(4, 1000), downbeat=st.floats(-20, 20))
def test_lines_are_at_the_beats_and_bars_count_from_the_downbeat(bpm, downbeat):
    strip, beat = strip_html(Controls(bpm=bpm, downbeat=downbeat), SECONDS), 60 / bpm
    for name, period in (("beats", beat), ("bars", 4 * beat)):
        drawn = np.array(lines(strip, name))
        off = (drawn - downbeat) / period
        np.testing.assert_allclose(off, off.round(), atol=1e-3 / period)
        assert abs(len(drawn) - SECONDS / period) <= 1
    numbers = placed(strip, "bar")
    np.testing.assert_allclose(
        [downbeat + (int(text) - 1) * 4 * beat for text, *_ in numbers], [t for _, t, _ in numbers], atol=1e-3
    )
    assert all(int(text) >= 1 for text, *_ in numbers) and len(numbers) <= SECONDS + 1


def test_without_tempo_and_chords_or_without_a_mix_there_is_no_strip():
    assert strip_html(Controls(density=3.0), SECONDS) == ""
    assert tempo_and_chords_html(None, True, 96.0, 0.0, "| C |") == ("", "")
    wrong = tempo_and_chords_html(SECONDS, True, 96.0, 0.0, "| Hm |")[1]
    assert "alert" in wrong and lines(wrong, "bars") and not placed(wrong, "chord")  # the beats stay


def test_takes_are_what_the_pipeline_makes_of_the_controls_and_tell_them(weights, mix, tmp_path):
    generator = Generator(StemAccompanimentPipeline.from_pretrained(weights))
    stems = []
    for number, controls in enumerate([Controls(), read_controls(True, 96.0, 0.5, CHART, True, 6.0, True, 50.0)]):
        (folder := tmp_path / str(number)).mkdir()
        request = GenerationRequest(mix, quality=Quality.FAST, controls=controls)
        (take,) = [event for event in generator.generate(request, folder) if isinstance(event, Result)]
        stems.append(read_audio(take.stem.file)[0])
        torch.testing.assert_close(stems[-1], made(weights, mix, controls), rtol=0, atol=2**-21)
        card = player_html([Take(take)])
        told = ("96 bpm, downbeat 0.5 s", "chords | C | Am7 F | | % | G/B |", "6 notes a second", "pitch 50")
        assert [text in card for text in told] == [number == 1] * 4
    assert (stems[0] - stems[1]).abs().max() > 1e-3


@pytest.fixture(scope="module")
def server(small_page):
    return small_page


@pytest.mark.parametrize(
    ("controls", "section"),
    [(CHANNELS, "tempo, chords, how busy, how low"), ({"density": 2, "beat": 4}, "tempo, how busy"), (None, None)],
)
def test_the_form_has_what_the_net_knows(controls, section, build_pipeline, tmp_path):
    async def components():  # of a loop that is running, or Gradio begins one and leaves it open
        generator = Generator(build_pipeline(carriers=8, controls=controls))
        return build_page(generator, Sessions(tmp_path)).get_config_file()["components"]

    labels = [str(component["props"].get("label")) for component in asyncio.run(components())]
    assert "Mix" in labels
    assert [label for label in labels if label.startswith("Steering")] == ([f"Steering: {section}"] if section else [])


def chords_shown(page, symbols):
    """Wait until the strip has these chords."""
    page.wait_for_function(
        "(symbols) => [...document.querySelectorAll('.chord')].map((chord) => chord.textContent).join() === symbols",
        arg=",".join(symbols),
    )


def test_a_visitor_steers_a_take(page, small_weights, mix, tmp_path):
    page.get_by_role("button", name="Steering: tempo, chords, how busy").click()
    steering, strip = page.locator("#steering"), page.locator("#chord-strip")
    chords = steering.get_by_role("textbox", name="Chords")
    # Letter by letter, as visitors type: a page that has just been opened may miss what is there at once.
    chords.press_sequentially("| C | Am7 F |", delay=50)
    strip.get_by_role("alert").filter(has_text="without a tempo; give bpm").wait_for()
    steering.get_by_label("Tempo").check()
    steering.get_by_label("Beats a minute").fill("2")
    page.locator("#tempo-error").get_by_role("alert").filter(has_text="expected 4 to 1000").wait_for()
    steering.get_by_label("Beats a minute").fill("100")
    steering.get_by_label("Downbeat").fill("0.25")
    page.locator("#mix input[type=file]").set_input_files(mix)
    chords_shown(page, ["C", "Am7", "F"])
    chords.fill("| C | Hm |")
    strip.get_by_role("alert").filter(has_text="cannot read the chord 'Hm'").wait_for()
    page.get_by_role("button", name="Generate").click()  # and does not start with it
    page.locator("#status").get_by_role("alert").filter(has_text="cannot read the chord 'Hm'").wait_for()
    chords.fill("| C | Am7 F | % |")
    chords_shown(page, ["C", "Am7", "F", "Am7"])  # the last one begins after the end of the mix
    assert steering.get_by_label("How low").count() == 0  # the net does not know it
    steering.get_by_label("How busy").check()
    steering.get_by_label("number input for Notes a second").fill("7")
    page.get_by_label("fast").check()
    page.get_by_label("Keep the seed").check()
    page.get_by_label("number input for Takes").fill("1")
    page.get_by_role("button", name="Generate").click()
    page.locator("#status", has_text="generated in").wait_for(timeout=60_000)
    header = page.locator(".take header").inner_text()
    assert "100 bpm, downbeat 0.25 s" in header and "| % |" in header and "7 notes a second" in header
    assert "pitch" not in header and "Traceback" not in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name="stem").click()
    download.value.save_as(tmp_path / "bass.wav")
    controls = Controls(bpm=100.0, downbeat=0.25, chords="| C | Am7 F | % |", density=7.0)
    stem = read_audio(tmp_path / "bass.wav")[0]
    torch.testing.assert_close(stem, made(small_weights / "stem", mix, controls), rtol=0, atol=1e-3)
    assert (stem - made(small_weights / "stem", mix, Controls())).abs().max() > 1e-2
