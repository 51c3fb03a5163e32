"""What the page makes, without a browser: the stems of its seeds, in a folder of their own, and ends that are clean."""

import threading
import time
from contextlib import ExitStack

import pytest
import torch

from latentstem import AudioError, read_audio, write_audio
from latentstem.pipelines.quality import Quality
from latentstem.ui.background import in_background
from latentstem.ui.generator import Generator, Sampling, check_sounding
from latentstem.ui.history import Take
from latentstem.ui.live_preview import LivePreview
from latentstem.ui.player import player_html
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.sessions import Sessions
from latentstem.ui.status import explain
from latentstem.ui.turns import Turns


@pytest.fixture
def generator(build_pipeline):
    return Generator(build_pipeline(carriers=8, with_reranker=True))


@pytest.fixture
def mix(tmp_path):
    path = tmp_path / "my mix.wav"
    write_audio(path, torch.rand(2, 30_000) - 0.5, 44100)
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return path


def takes_of(moments):
    return [event for event in moments if not isinstance(event, Sampling)]


def test_each_take_is_what_the_pipeline_makes_of_its_seed(generator, mix, folder):
    request = GenerationRequest(mix, quality=Quality.FAST, count=2, seed=5, guidance_scale=2.0)
    takes = takes_of(generator.generate(request, folder))
    assert [take.seed for take in takes] == [5, 6]
    for take in takes:
        expected = generator.pipe(
            read_audio(mix)[0],
            sampling_rate=44100,
            num_inference_steps=8,
            guidance_scale=2.0,
            generator=torch.Generator().manual_seed(take.seed),
        ).audios[0]
        stem, rate = read_audio(take.stem.file)
        assert rate == 44100
        torch.testing.assert_close(stem, expected, rtol=0, atol=2**-22)
        both = read_audio(mix)[0] + stem
        torch.testing.assert_close(
            read_audio(take.both.file)[0], both / both.abs().max().clamp(min=1), rtol=0, atol=2**-21
        )
        torch.testing.assert_close(read_audio(take.mix.file)[0], read_audio(mix)[0], rtol=0, atol=2**-22)


def test_a_sketch_is_where_the_stems_begin(generator, mix, folder, tmp_path):
    sketch = tmp_path / "line.wav"
    write_audio(sketch, 0.3 * torch.sin(torch.arange(30_000) * 0.02)[None], 44100)
    request = GenerationRequest(mix, quality=Quality.FAST, seed=3, sketch=sketch, strength=0.5)
    moments = list(generator.generate(request, folder))
    (take,) = takes_of(moments)
    assert [moment.step for moment in moments if isinstance(moment, Sampling)] == [0, 1, 2, 3, 4]
    assert moments[-2].fraction == 1.0
    expected = generator.pipe(
        read_audio(mix)[0],
        sampling_rate=44100,
        num_inference_steps=8,
        init_stem=read_audio(sketch)[0],
        strength=0.5,
        generator=torch.Generator().manual_seed(3),
    ).audios[0]
    torch.testing.assert_close(read_audio(take.stem.file)[0], expected, rtol=0, atol=2**-22)


def test_a_sketch_may_be_gone_when_its_turn_comes(generator, mix, tmp_path):
    sketch = tmp_path / "line.wav"
    write_audio(sketch, 0.3 * torch.sin(torch.arange(30_000) * 0.02)[None], 44100)
    updates = Sessions(tmp_path / "all").run(
        generator, GenerationRequest(mix, quality=Quality.FAST, sketch=sketch), "somebody"
    )
    next(updates)
    sketch.unlink()
    *_, (html, _) = updates
    assert "generated in" in html


def test_the_score_is_the_rerankers(generator, mix, folder):
    (take,) = takes_of(generator.generate(GenerationRequest(mix, quality=Quality.FAST), folder))
    pipe = generator.pipe
    mix_latents, _ = pipe.encode_mix(read_audio(mix)[0].mean(0)[None, None])
    made = pipe(
        mix_latents=mix_latents,
        num_inference_steps=8,
        generator=torch.Generator().manual_seed(0),
        output_type="latent",
    )
    assert take.score == pytest.approx(pipe.score(mix_latents, made.audios).item(), abs=1e-3)


def test_a_style_changes_the_stem_as_far_as_its_strength(generator, mix, folder, tmp_path):
    style = tmp_path / "style.wav"
    write_audio(style, 0.5 * torch.sin(torch.arange(20_000) * 0.05)[None], 22050)
    stems = []
    for number, (path, strength) in enumerate([(None, 1.0), (style, 0.0), (style, 1.0)]):
        (run := folder / str(number)).mkdir()
        request = GenerationRequest(mix, style=path, style_strength=strength, quality=Quality.FAST)
        (take,) = takes_of(generator.generate(request, run))
        stems.append(read_audio(take.stem.file)[0])
    assert torch.equal(stems[0], stems[1])
    assert (stems[0] - stems[2]).abs().max() > 1e-3


def test_progress_counts_every_step_and_shows_the_first(generator, mix, folder):
    moments = list(generator.generate(GenerationRequest(mix, quality=Quality.FAST, count=2), folder))
    progress = [event for event in moments if isinstance(event, Sampling)]
    assert [(event.take, event.step) for event in progress] == [
        (0, 0),
        *((take, step) for take in (0, 1) for step in range(1, 9)),
    ]
    assert [event.fraction for event in progress] == sorted(event.fraction for event in progress)
    assert progress[-1].fraction == 1
    assert all(progress[first].preview.startswith(b"\x89PNG") for first in (1, 9))


def test_previews_take_a_small_fraction_of_the_time(generator, mix, monkeypatch):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def decode(*_):
        nonlocal now
        now += 1.0  # ten times what a step takes
        return torch.zeros(1, 1, 44100)

    monkeypatch.setattr(generator.pipe, "decode_latents", decode)
    from latentstem.pipelines import encode_mix_file

    preview = LivePreview(generator.pipe, encode_mix_file(generator.pipe, mix))
    drawn = 0
    for _ in range(1000):
        now += 0.1
        drawn += preview(torch.zeros(1, 4, 10)) is not None
    assert 0.8 * 0.2 * now < drawn < 0.2 * now + 1


def test_everything_is_written_to_the_folder_of_the_run(generator, mix, folder):
    before = set(mix.parent.iterdir())
    (take,) = takes_of(generator.generate(GenerationRequest(mix, quality=Quality.FAST), folder))
    assert set(mix.parent.iterdir()) == before
    made = {sound.file for sound in (take.mix, take.stem, take.both)}
    written = {path for path in folder.rglob("*") if path.is_file()}
    assert written == made | {file.with_suffix(".png") for file in made}


def test_an_end_in_the_middle_waits_for_the_work_and_frees_the_model(generator, mix, folder):
    moments = generator.generate(GenerationRequest(mix, quality=Quality.BEST, count=8), folder)
    while next(moments).step < 3:
        pass
    threads = threading.active_count()
    moments.close()
    assert threading.active_count() == threads - 1
    assert list(folder.iterdir()) == []
    assert len(takes_of(generator.generate(GenerationRequest(mix, quality=Quality.FAST), folder))) == 1


def test_what_is_raised_in_the_background_is_raised_in_front():
    def work(emit):
        emit(1)
        raise OSError("disk full")

    items = in_background(work)
    assert next(items) == 1
    with pytest.raises(OSError, match="disk full"):
        next(items)


def broken(path):
    path.write_bytes(b"RIFF\x10\x00\x00\x00WAVEfmt nonsense")


def a_text(path):
    path.write_text("These are the words of a song.")


def silence(path):
    write_audio(path, torch.zeros(1, 5000), 44100)


def too_long(path):
    write_audio(path, torch.zeros(1, 3 * 8000), 8000)


def opposite_channels(path):
    tone = 0.5 * torch.sin(torch.arange(5000) * 0.05)
    write_audio(path, torch.stack([tone, -tone]), 44100)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (broken, "cannot be read as audio"),
        (a_text, "cannot be read as audio"),
        (silence, "silence from beginning to end"),
        (too_long, "over the limit of 2 s"),
        (opposite_channels, "anti-phase"),
    ],
)
@pytest.mark.parametrize("role", ["mix", "style"])
def test_what_cannot_be_used_is_named_in_one_friendly_line(generator, mix, folder, tmp_path, write, says, role):
    bad = tmp_path / "bad one.wav"
    write(bad)
    generator.max_duration = 2.0
    request = GenerationRequest(bad if role == "mix" else mix, bad if role == "style" else None, quality=Quality.FAST)
    *_, (html, takes) = Sessions(folder).run(generator, request, "somebody")
    assert takes is None
    assert says in html and 'role="alert"' in html
    assert str(tmp_path) not in html and "Traceback" not in html and "\n" not in html
    if write is not opposite_channels:  # the pipeline knows it as "style"
        assert "bad one.wav" in html


def test_a_failure_is_named_too_and_its_traceback_goes_to_the_terminal(capsys):
    try:
        raise RuntimeError("out of\nmemory")
    except RuntimeError as error:
        assert explain(error, []) == "RuntimeError: out of memory (the terminal has the details)"
    assert "Traceback" in capsys.readouterr().err


def test_silence_is_refused_and_whispers_are_not(tmp_path):
    write_audio(tmp_path / "whisper.wav", torch.full((1, 5000), 1e-5), 44100)
    check_sounding(tmp_path / "whisper.wav", 10.0)
    write_audio(tmp_path / "silence.wav", torch.zeros(1, 5000), 44100)
    with pytest.raises(AudioError, match="silence"):
        check_sounding(tmp_path / "silence.wav", 10.0)


def test_names_of_files_are_quoted_in_the_player(generator, folder, tmp_path):
    path = tmp_path / 'a&b "c" <i>.wav'
    write_audio(path, torch.rand(1, 5000) - 0.5, 44100)
    html = player_html(
        [Take(take) for take in takes_of(generator.generate(GenerationRequest(path, quality=Quality.FAST), folder))]
    )
    assert "<i>.wav" not in html and '"c"' not in html
    assert "a%26b%20%22c%22%20%3Ci%3E-bass-0.wav" in html and "a&amp;b &quot;c&quot; &lt;i&gt;-bass-0.wav" in html


def test_the_take_with_the_highest_score_is_marked(generator, mix, folder):
    results = takes_of(generator.generate(GenerationRequest(mix, quality=Quality.FAST, count=3), folder))
    takes = [Take(result) for result in results]
    html = player_html(takes)
    best = max(takes, key=lambda take: take.result.score)
    cards = html.split("<article")[1:]
    assert [("fits best" in card) for card in cards] == [take is best for take in takes]
    assert "fits best" not in player_html(takes[:1])


def test_who_waits_is_told_how_many_are_ahead_when_their_number_changes(monkeypatch):
    monkeypatch.setattr("latentstem.ui.turns._ASK_SECONDS", 0.01)
    turns, told, first = Turns(), [], ExitStack()
    first.enter_context(turns.wait(told.append))

    def waiting(ahead):
        told.append(ahead)
        if len(told) == 4:
            first.close()

    with turns.wait(waiting):  # an update of the page for each of these would leave it time for nothing else
        assert told == [1, None, None, None]
