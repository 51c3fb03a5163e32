"""`latentstem accompany` with musical controls: what the pipeline makes of them, or one line that refuses them."""

import json

import pytest
import torch

from latentstem import StemAccompanimentPipeline, read_audio, write_audio
from latentstem.conditioning import Controls

CHANNELS = {"beat": 4, "chords": 25, "density": 2, "register": 2}


@pytest.fixture(scope="module")
def controlled(build_pipeline, tmp_path_factory):
    """Weights whose net has controls, and whose output depends on them."""
    folder = tmp_path_factory.mktemp("controlled")
    build_pipeline(carriers=8, controls=CHANNELS).save_pretrained(folder)
    return folder


CHART = "| C | Am7 F |\n| % | N |\n"


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("--bpm", 100, "--downbeat", 0.25, "--chords", CHART), {"bpm": 100.0, "downbeat": 0.25, "chords": CHART}),
        (("--bpm", 90, "--chords", "chart.txt"), {"bpm": 90.0, "chords": CHART}),
        (("--chords", "C:0 F#m7b5:0.4"), {"chords": "C:0 F#m7b5:0.4"}),
        (("--density", 6, "--register", 45), {"density": 6.0, "register": 45.0}),
        ((), {}),
    ],
)
def test_the_stem_is_what_the_pipeline_makes_of_the_controls(
    accompany, controlled, tmp_path, monkeypatch, words, given
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chart.txt").write_text(CHART)
    write_audio("model-rate.wav", torch.rand(1, 40_000) - 0.5, 44100)
    code, _, err = accompany(*words, mix=tmp_path / "model-rate.wav", weights=controlled)
    assert code == 0, err
    pipe = StemAccompanimentPipeline.from_pretrained(controlled)
    pipe.set_progress_bar_config(disable=True)
    audio = read_audio("model-rate.wav")[0]
    call = {"sampling_rate": 44100, "num_inference_steps": 2}
    frames = -(-40_000 // 4096)
    made, plain = (
        pipe(audio, conditions=conditions, generator=torch.Generator().manual_seed(0), **call).audios[0]
        for conditions in (Controls(**given).conditions(frames, 44100 / 4096), None)
    )
    torch.testing.assert_close(read_audio("bass.wav")[0], made, rtol=0, atol=2**-22)
    assert torch.allclose(made, plain, atol=1e-4) == (not given)


@pytest.mark.parametrize(
    ("words", "keep"),
    [
        (("--bpm", 600, "--bars", "2"), [(0.0, 0.4), (0.8, None)]),
        (("--bpm", 600, "--bars", "2:3"), [(0.0, 0.4)]),  # as far as the stem goes
        (("--bpm", 600, "--downbeat", 0.1, "--bars", "2", "--bars", "1"), [(0.0, 0.1), (0.9, None)]),
    ],
)
def test_bars_are_made_anew(accompany, controlled, tmp_path, monkeypatch, words, keep):
    monkeypatch.chdir(tmp_path)
    for name in ("model-rate", "stem"):
        write_audio(f"{name}.wav", 0.5 * torch.rand(1, 51_000) - 0.25, 44100)  # 1.16 s
    code, _, err = accompany("--init", "stem.wav", *words, mix=tmp_path / "model-rate.wav", weights=controlled)
    assert code == 0, err
    stem, made = (read_audio(name)[0][0] for name in ("stem.wav", "bass.wav"))
    kept = torch.zeros(51_000, dtype=torch.bool)
    for start, end in keep:
        kept[round(start * 44100) : None if end is None else round(end * 44100)] = True
    fade = round(0.02 * 44100)
    inside = torch.nn.functional.max_pool1d((~kept).float()[None], 2 * fade + 1, 1, fade)[0] == 0
    torch.testing.assert_close(made[inside], stem[inside], rtol=0, atol=2**-22)
    assert not torch.allclose(made[~kept], stem[~kept], atol=1e-3)


def test_chords_have_a_scale_of_their_own(accompany, controlled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_audio("model-rate.wav", torch.rand(1, 40_000) - 0.5, 44100)
    words = ("--chords", "C:0 F#m7b5:0.4", "--density", 2, "--chords-scale", 3)
    code, _, err = accompany(*words, mix=tmp_path / "model-rate.wav", weights=controlled)
    assert code == 0, err
    pipe = StemAccompanimentPipeline.from_pretrained(controlled)
    pipe.set_progress_bar_config(disable=True)
    made, without = (
        pipe(
            read_audio("model-rate.wav")[0],
            sampling_rate=44100,
            controls=Controls(chords="C:0 F#m7b5:0.4", density=2.0),
            condition_scales=scales,
            num_inference_steps=2,
            generator=0,
        ).audios[0]
        for scales in ({"chords": 3.0}, None)
    )
    torch.testing.assert_close(read_audio("bass.wav")[0], made, rtol=0, atol=2**-22)
    assert not torch.allclose(made, without, atol=1e-4)


def test_the_report_has_the_controls_and_every_mix_its_own_frames(controlled, tmp_path, capfd):
    from latentstem.cli import main

    for name, samples in (("one", 9000), ("two", 30_000)):
        write_audio(tmp_path / f"{name}.wav", torch.rand(1, samples) - 0.5, 44100)
    words = ["accompany", tmp_path / "one.wav", tmp_path / "two.wav", "-o", tmp_path / "stems", "--weights", controlled]
    words += ["--steps", 2, "--device", "cpu", "--density", 2, "--bpm", 120, "--json"]
    assert main([str(word) for word in words]) == 0
    report = json.loads(capfd.readouterr().out)
    assert len(report["stems"]) == 2 and not report["failed"]
    assert (report["settings"]["bpm"], report["settings"]["density"], report["settings"]["chords"]) == (
        120.0,
        2.0,
        None,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--density", 3), "have no control density (they have: none); leave the option out"),
        (("--bpm", 100, "--register", 40), "have no control beat, register"),
        (("--chords", "| C |"), "without a tempo; give bpm"),
        (("--chords-scale", 3), "--chords-scale says how strongly to follow --chords; give them too"),
        (("--chords", "C:0 Hm:1"), "cannot read the chord 'Hm'"),
        (("--chords", "no-such-file.txt"), "cannot read 'no-such-file.txt'"),
        (("--chords", "x" * 5000), "cannot read 'xxx"),
        (("--downbeat", 1), "without a tempo"),
        (("--bpm", "nan"), "got a tempo of nan beats a minute; expected 4 to 1000"),
        (("--bpm", 0), "got a tempo of 0 beats a minute"),
        (("--bpm", "fast"), "--bpm"),
        (("--density", -1), "got a density of -1 notes a second"),
        (("--register", 128), "got a register of 128; expected a MIDI pitch"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(accompany, tmp_path, is_one_error, words, message):
    before = sorted(tmp_path.iterdir())
    code, out, err = accompany(*words)
    assert code == 2 and out == [] and is_one_error(err), err
    assert message in err[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_chart_that_is_no_text_is_refused(accompany, controlled, mix, is_one_error):
    code, _, err = accompany("--chords", mix, weights=controlled)
    assert code == 2 and is_one_error(err) and "is no text of chords" in err[0]
