"""The command line: what it writes, and one line with exit code 2 or 1 for everything that can go wrong."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from latentstem import MixFile, StemAccompanimentPipeline, StemPipelineOutput, read_audio, write_audio
from latentstem.cli import main
from latentstem.cli.report import Report


def is_one_error(lines):
    return len(lines) == 1 and lines[0].startswith("error: ") and "Traceback" not in lines[0]


@pytest.mark.parametrize("sampling_rate", [8000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 4096, 20_001])
def test_the_stem_has_the_rate_and_length_of_the_mix(accompany, tmp_path, sampling_rate, channels, samples):
    path = tmp_path / "any.wav"
    write_audio(path, torch.rand(channels, samples) - 0.5, sampling_rate)
    code, out, _ = accompany(mix=path)
    assert code == 0
    stem, rate = read_audio(tmp_path / "bass.wav")
    assert (rate, stem.shape) == (sampling_rate, (1, samples))
    assert f"{sampling_rate} Hz" in out[0] and "seed 0" in out[0]


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg"])
def test_other_formats_in_and_out(accompany, mix, tmp_path, suffix):
    audio, rate = read_audio(mix)
    write_audio(tmp_path / f"other{suffix}", audio, rate)
    code, _, _ = accompany(mix=tmp_path / f"other{suffix}", output=tmp_path / f"bass{suffix}")
    assert code == 0
    assert read_audio(tmp_path / f"bass{suffix}")[0].shape == (1, audio.shape[1])


def test_the_stem_is_what_the_pipeline_makes(accompany, weights, tmp_path):
    path = tmp_path / "model-rate.wav"
    write_audio(path, torch.rand(1, 9000) - 0.5, 44100)
    code, _, _ = accompany("--seed", 7, "--guidance-scale", 3, "--guidance-rescale", 0.2, mix=path)
    assert code == 0
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    expected = pipe(
        read_audio(path)[0],
        sampling_rate=44100,
        num_inference_steps=2,
        guidance_scale=3.0,
        guidance_rescale=0.2,
        generator=torch.Generator().manual_seed(7),
    ).audios[0]
    torch.testing.assert_close(read_audio(tmp_path / "bass.wav")[0], expected, rtol=0, atol=2**-22)


def test_a_quality_brings_its_steps_unless_they_are_named(weights, mix, tmp_path, monkeypatch):
    asked = []
    call = StemAccompanimentPipeline.__call__

    def noted(self, *args, num_inference_steps, **kwargs):
        asked.append((type(self.scheduler).__name__, num_inference_steps))
        return call(self, *args, num_inference_steps=1, **kwargs)

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", noted)
    words = ["accompany", str(mix), "--weights", str(weights), "--device", "cpu", "-o", str(tmp_path / "bass.wav")]
    for more in ([], ["--quality", "fast"], ["--quality", "standard", "--steps", "5"]):
        assert main([*words, *more]) == 0
    assert asked == [("CosineDDIMScheduler", 64), ("UniPCMultistepScheduler", 8), ("UniPCMultistepScheduler", 5)]
    assert main([*words, "--quality", "great"]) == 2


def test_candidates_count_their_seeds_up(accompany, tmp_path):
    code, out, _ = accompany("--count", 3, "--seed", 5)
    assert code == 0
    assert [line.split()[2].rstrip(",") for line in out] == ["5", "6", "7"]
    candidates = [read_audio(tmp_path / f"bass-{k}.wav")[0] for k in (1, 2, 3)]
    assert not torch.equal(candidates[0], candidates[1])
    accompany("--seed", 6)
    assert torch.equal(read_audio(tmp_path / "bass.wav")[0], candidates[1])


def test_the_best_candidates_are_written_and_the_best_comes_first(accompany, judged_weights, mix, tmp_path):
    code, out, _ = accompany("--count", 5, "--seed", 3, "--keep-best", 2, weights=judged_weights)
    assert code == 0
    pipe = StemAccompanimentPipeline.from_pretrained(judged_weights)
    pipe.set_progress_bar_config(disable=True)
    heard = MixFile.encode(pipe, mix).latents
    scores = {}
    for seed in range(3, 8):
        generator = torch.Generator().manual_seed(seed)
        drawn = pipe(mix_latents=heard, num_inference_steps=2, generator=generator, output_type="latent").audios
        with torch.no_grad():
            scores[seed] = pipe.judge(heard, drawn).item()
    first, second = sorted(scores, key=scores.get, reverse=True)[:2]
    assert [line.split()[2].rstrip(",") for line in out] == [str(first), str(second)]
    assert out[0].endswith("best of 5") and out[1].endswith("number 2 of 5")
    assert sorted(path.name for path in tmp_path.glob("bass*")) == ["bass-1.wav", "bass-2.wav"]
    for k, seed in enumerate((first, second), start=1):
        accompany("--seed", seed)
        assert torch.equal(read_audio(tmp_path / f"bass-{k}.wav")[0], read_audio(tmp_path / "bass.wav")[0])


def test_the_one_best_has_the_plain_name_and_no_other_candidate_is_held(
    accompany, judged_weights, tmp_path, monkeypatch
):
    scores, seen = iter([2.0, 5.0, 5.0, 1.0]), []

    def score(self, mix_latents, latents):
        assert sum(held() is not None for held in seen) <= 1
        seen.append(weakref.ref(latents))
        return torch.tensor([next(scores)])

    monkeypatch.setattr(StemAccompanimentPipeline, "score", score)
    code, out, _ = accompany("--count", 4, "--keep-best", 1, weights=judged_weights)
    assert code == 0 and len(seen) == 4
    assert out == [f"{tmp_path / 'bass.wav'}: {out[0].partition(': ')[2]}"]
    assert "seed 1," in out[0] and out[0].endswith(", best of 4")


def test_choosing_without_a_judge_is_refused_before_anything_is_drawn(accompany, monkeypatch):
    monkeypatch.setattr(MixFile, "encode", None)
    code, out, err = accompany("--count", 2, "--keep-best", 1)
    assert code == 2 and out == []
    assert is_one_error(err) and "judge" in err[0]


@pytest.fixture
def stem(tmp_path):
    path = tmp_path / "stem.wav"
    write_audio(path, 0.4 * torch.rand(1, 12_345) - 0.2, 22050)
    return path


def test_a_variation_is_what_the_pipeline_makes(accompany, weights, tmp_path):
    for name in ("mix", "stem"):
        write_audio(tmp_path / f"{name}.wav", 0.5 * torch.rand(1, 20_000) - 0.25, 44100)
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    audio, stem = (read_audio(tmp_path / f"{name}.wav")[0] for name in ("mix", "stem"))
    for words, options in (
        ((), {}),
        (("--strength", 0.9), {"strength": 0.9}),
        (("--keep", ":0.1", "--keep", "0.2:0.3"), {"keep": [(0.0, 0.1), (0.2, 0.3)]}),
        (("--keep", "0.25:", "--strength", 0.5), {"keep": [(0.25, None)], "strength": 0.5}),
        (("--loop",), {"loop": True}),
    ):
        assert accompany("--init", tmp_path / "stem.wav", *words, mix=tmp_path / "mix.wav")[0] == 0
        generator = torch.Generator().manual_seed(0)
        call = {"sampling_rate": 44100, "num_inference_steps": 2, "init_stem": stem, "generator": generator}
        (expected,) = pipe(audio, **call, **options).audios
        torch.testing.assert_close(read_audio(tmp_path / "bass.wav")[0], expected, rtol=0, atol=1e-5)


def test_what_is_kept_of_a_stem_is_in_every_candidate_as_it_was(accompany, stem, tmp_path):
    code, out, _ = accompany("--init", stem, "--keep", "0:0.2", "--keep", "0.4:", "--count", 2)
    assert code == 0 and len(out) == 2
    (original,), rate = read_audio(stem)
    fade = round(0.02 * rate)
    kept = torch.zeros(len(original), dtype=torch.bool)
    kept[: round(0.2 * rate) - fade] = True
    kept[round(0.4 * rate) + fade :] = True
    one, two = (read_audio(tmp_path / f"bass-{k}.wav")[0][0] for k in (1, 2))
    assert torch.equal(one[kept], original[kept]) and torch.equal(two[kept], original[kept])
    between = slice(round(0.2 * rate), round(0.4 * rate))
    assert (one[between] - two[between]).abs().max() > 1e-3


def test_a_loop_is_what_the_pipeline_makes_and_nothing_of_it_is_kept(accompany, weights, mix, stem, tmp_path):
    assert accompany("--loop")[0] == 0
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    heard = MixFile.encode_loop(pipe, mix)
    generator = torch.Generator().manual_seed(0)
    call = {"num_inference_steps": 2, "generator": generator, "output_type": "latent", "loop": True}
    heard.write_stem(pipe, pipe(mix_latents=heard.latents, **call).audios, tmp_path / "expected.wav")
    assert torch.equal(read_audio(tmp_path / "bass.wav")[0], read_audio(tmp_path / "expected.wav")[0])
    code, _, err = accompany("--loop", "--init", stem, "--keep", "0:0.1")
    assert code == 2 and is_one_error(err) and "--keep" in err[0]


def test_a_stem_of_another_length_is_refused_with_both_lengths(accompany, tmp_path):
    write_audio(tmp_path / "short.wav", torch.rand(1, 24_000) - 0.5, 48000)
    code, out, err = accompany("--init", tmp_path / "short.wav")
    assert code == 2 and out == []
    assert is_one_error(err) and "0.500 s" in err[0] and "0.560 s" in err[0] and "short.wav" in err[0]


def test_a_style_moves_the_sound_and_strength_zero_does_not(accompany, tmp_path):
    style = tmp_path / "style.flac"
    write_audio(style, 0.5 * torch.sin(torch.arange(48000) * 0.02)[None], 48000)
    stems = {}
    for name, options in {
        "free": (),
        "none": ("--style", style, "--style-strength", 0),
        "full": ("--style", style),
    }.items():
        assert accompany(*options)[0] == 0
        stems[name] = read_audio(tmp_path / "bass.wav")[0]
    torch.testing.assert_close(stems["free"], stems["none"], rtol=0, atol=1e-5)
    assert (stems["free"] - stems["full"]).abs().max() > 1e-3


def test_preview_adds_the_sum_and_a_picture(accompany, mix, tmp_path):
    code, out, _ = accompany("--preview")
    assert code == 0
    stem, both = read_audio(tmp_path / "bass.wav")[0], read_audio(tmp_path / "bass-with-mix.wav")[0]
    total = read_audio(mix)[0] + stem
    torch.testing.assert_close(both, total / total.abs().max().clamp(min=1), rtol=0, atol=2**-20)
    assert (tmp_path / "bass.png").read_bytes().startswith(b"\x89PNG")
    assert len(out) == 3


def test_a_full_scale_mix_is_not_clipped_in_the_preview(accompany, tmp_path):
    path = tmp_path / "loud.wav"
    write_audio(path, torch.rand(1, 44100).round() * 2 - 1, 44100)
    assert accompany("--preview", mix=path)[0] == 0
    for name in ("bass.wav", "bass-with-mix.wav"):
        audio = read_audio(tmp_path / name)[0]
        assert audio.abs().max() <= 1
        assert (audio.abs() == 1).sum() <= 2


def write_float(path, samples, sampling_rate=44100):
    soundfile.write(path, np.asarray(samples), sampling_rate, subtype="FLOAT")


def text_named_wav(path):
    path.write_text("not audio\n" * 500)


def truncated(path):
    write_audio(path, torch.rand(2, 20_000) - 0.5, 44100)
    path.write_bytes(path.read_bytes()[:30_000])


def days_in_a_flac(path):
    soundfile.write(path, np.zeros(8000), 8000, format="FLAC")
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", 8000 * 86400 * 3)
    path.write_bytes(content)


BAD_MIXES = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "text": text_named_wav,
    "truncated": truncated,
    "empty": lambda path: write_float(path, np.zeros((0, 1))),
    "nan": lambda path: write_float(path, [0.0, np.nan]),
    "inf": lambda path: write_float(path, [0.0, np.inf]),
    "three channels": lambda path: write_float(path, np.zeros((100, 3))),
    "days in a flac": days_in_a_flac,
    "anti-phase": lambda path: write_float(path, np.linspace(-0.5, 0.5, 5000)[:, None] * [1, -1]),
}


@pytest.mark.parametrize("kind", BAD_MIXES)
@pytest.mark.parametrize("role", ["mix", "style", "init"])
def test_bad_audio_is_one_line_and_exit_code_2(accompany, mix, tmp_path, kind, role):
    BAD_MIXES[kind](tmp_path / "bad.wav")
    before = sorted(tmp_path.iterdir())
    if role == "mix":
        code, out, err = accompany(mix=tmp_path / "bad.wav")
    else:
        code, out, err = accompany(f"--{role}", tmp_path / "bad.wav")
    assert code == 2
    assert is_one_error(err), err
    assert out == []
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--steps", "0"],
        ["--steps", "-3"],
        ["--steps", "many"],
        ["--count", "0"],
        ["--keep-best", "0"],
        ["--keep-best", "3", "--count", "2"],
        ["--strength", "0.5"],
        ["--keep", "0:0.1"],
        ["--init", "none.wav"],
        ["--init", "mix.wav", "--strength", "0"],
        ["--init", "mix.wav", "--strength", "nan"],
        ["--init", "mix.wav", "--keep", "0.1"],
        ["--init", "mix.wav", "--keep", "soon:later"],
        ["--init", "mix.wav", "--keep", "0:nan"],
        ["--init", "mix.wav", "--keep", "0:60"],
        ["--init", "mix.wav", "--keep", "0.3:0.1"],
        ["--init", "mix.wav", "--keep", "-0.1:"],
        ["--guidance-scale", "nan"],
        ["--guidance-scale", "inf"],
        ["--guidance-rescale", "nan"],
        ["--guidance-rescale", "1.5"],
        ["--style-strength", "nan"],
        ["--max-duration", "0"],
        ["--max-duration", "nan"],
        ["--max-duration", "0.1"],
        ["--device", "cuda:99"],
        ["--device", "abacus"],
        ["--seed", "-1"],
        ["--weights", "tuba-gm"],
        ["-o", "nowhere/bass.wav"],
        ["-o", "bass.aiff"],
        ["--no-such-option"],
        ["a-second-mix.wav"],
    ],
    ids=" ".join,
)
def test_bad_options_are_one_line_and_exit_code_2(accompany, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, err = accompany(*arguments)
    assert code == 2
    assert is_one_error(err), err
    assert out == []
    assert sorted(tmp_path.iterdir()) == before


def test_the_mix_is_never_overwritten(accompany, mix, tmp_path):
    before = mix.read_bytes()
    (tmp_path / "link.wav").symlink_to(mix)
    for output in (mix, tmp_path / "link.wav"):
        code, _, err = accompany(output=output)
        assert code == 2 and is_one_error(err)
        assert mix.read_bytes() == before
    for role in ("--style", "--init"):
        shutil.copy(mix, tmp_path / "bass-2.wav")
        code, _, err = accompany(role, tmp_path / "bass-2.wav", "--count", 2)
        assert code == 2 and is_one_error(err) and "overwritten" in err[0]
    other = shutil.copy(mix, tmp_path / "bass-with-mix.wav")
    code, _, err = accompany("--preview", mix=other)
    assert code == 2 and is_one_error(err)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_a_tensor(file):
    tensors = load_file(file)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, file, metadata={"format": "pt"})


def of_another_shape(file):
    tensors = load_file(file)
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name] = tensors[name].flatten()[:-1].clone()
    save_file(tensors, file, metadata={"format": "pt"})


def garbled(file):
    file.write_bytes(os.urandom(1000))


def a_pickle(file):
    torch.save({"weight": torch.zeros(1)}, file.with_name("diffusion_pytorch_model.bin"))
    file.unlink()


@pytest.mark.parametrize("damage", [cut, without_a_tensor, of_another_shape, garbled, a_pickle])
@pytest.mark.parametrize("component", ["unet", "autoencoder"])
def test_damaged_weights_are_one_line_and_exit_code_2(accompany, weights, tmp_path, damage, component):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    damage(copy / component / "diffusion_pytorch_model.safetensors")
    code, out, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err), err
    assert str(copy) in err[0]
    assert out == [] and not (tmp_path / "bass.wav").exists()


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
@pytest.mark.parametrize("content", [None, "{", "[1, 2]"])
def test_damaged_configs_are_one_line_and_exit_code_2(accompany, weights, tmp_path, name, content):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_text(content)
    code, _, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err), err


def test_weights_that_give_nan_write_nothing(accompany, weights, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    file = copy / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor * torch.nan for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    code, _, err = accompany(weights=copy)
    assert code == 2
    assert is_one_error(err) and "NaN" in err[0], err
    assert not (tmp_path / "bass.wav").exists()


def test_an_unexpected_failure_is_one_line_and_exit_code_1(accompany, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", fail)
    code, _, err = accompany()
    assert code == 1
    assert is_one_error(err) and "RuntimeError: out of memory" in err[0]
    assert not (tmp_path / "bass.wav").exists()


def test_an_interruption_is_one_line_and_exit_code_1(accompany, tmp_path, monkeypatch):
    call = StemAccompanimentPipeline.__call__

    def interrupted_at_the_second(self, *args, generator, **kwargs):
        if generator.initial_seed() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return call(self, *args, generator=generator, **kwargs)

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", interrupted_at_the_second)
    code, out, err = accompany("--count", 3)
    assert code == 1
    assert is_one_error(err) and "interrupted" in err[0]
    assert len(out) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bass-1.wav", "mix.wav"]


def test_an_interruption_that_a_finaliser_swallows_still_stops_the_run(weights, mix, tmp_path, monkeypatch, capsys):
    made = Report.made

    def report_while_interrupted(*arguments):
        made(*arguments)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Report, "made", report_while_interrupted)
    code = main(["accompany", str(mix), "--weights", str(weights), "--count", "3", "-o", str(tmp_path / "b.wav")])
    assert code == 1 and "interrupted" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("b-*.wav")] == ["b-1.wav"]


def test_a_process_interrupted_from_outside_keeps_what_it_has_finished(weights, mix, tmp_path):
    words = ["accompany", mix, "--weights", weights, "--device", "cpu", "--count", "1000", "-o", tmp_path / "b.wav"]
    running = subprocess.Popen(
        [sys.executable, "-m", "latentstem", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = running.stdout.readline()
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert "b-1.wav: seed 0, 0.56 s at 22050 Hz" in first, err
    assert running.returncode == 1
    assert [line for line in err.splitlines() if line.startswith("error: interrupted")], err
    assert "Traceback" not in err
    written = sorted(path for path in tmp_path.iterdir() if path != mix)
    assert len(written) == 1 + len(out.splitlines())
    for path in written:
        assert read_audio(path)[0].shape == (1, 12_345)


@pytest.mark.parametrize("net", ["autoencoder", "unet", "contrastive"])
@pytest.mark.parametrize("words", [[], ["--no-such-option"], ["--steps", "many"]])
def test_bad_training_options_are_one_line_and_exit_code_2(capfd, net, words):
    assert main(["train", net, *words]) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())


@pytest.mark.parametrize("net", ["autoencoder", "unet", "contrastive"])
def test_training_without_data_is_one_line_and_exit_code_2(capfd, tmp_path, weights, net):
    words = ["--data", tmp_path / "none", "--output", tmp_path / "run", "--mixed-precision", "no"]
    words += ["--autoencoder", weights / "autoencoder"] if net != "autoencoder" else []
    assert main(["train", net, *map(str, words)]) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())


@pytest.mark.parametrize("words", [["--songs", "0"], ["--soundfont", "none"], ["--duration", "nan"], []])
def test_bad_corpus_options_are_one_line_and_exit_code_2(capfd, tmp_path, monkeypatch, words):
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no FluidSynth
    assert main(["corpus", str(tmp_path / "corpus"), *words]) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())
    assert not (tmp_path / "corpus").exists()


@pytest.mark.fluidsynth
def test_corpus_writes_songs(capfd, tmp_path):
    words = ["--songs", "2", "--first-seed", "5", "--duration", "2", "--workers", "1"]
    assert main(["corpus", str(tmp_path), *words]) == 0
    assert "2 songs" in capfd.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song_000005", "song_000006"]


@pytest.mark.fluidsynth
def test_evaluate_writes_figures_and_goes_on_with_its_songs(capfd, tmp_path, weights):
    words = ["evaluate", str(weights), "-o", str(tmp_path), "--count", "2", "--steps", "2", "--seconds", "2"]
    assert main(words) == 0
    assert "chord share" in capfd.readouterr().out
    assert {"songs", "evaluation.json", "evaluation.md", "evaluation.png"} == {p.name for p in tmp_path.iterdir()}
    written = (tmp_path / "evaluation.json").read_text()
    assert main([*words, "--songs", str(tmp_path / "songs")]) == 0
    assert (tmp_path / "evaluation.json").read_text() == written


def test_evaluate_says_what_is_wrong_with_its_songs(capfd, tmp_path, weights):
    assert main(["evaluate", str(weights), "--songs", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error:") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_and_version_need_no_weights(capsys):
    assert main(["--version"]) == 0
    assert main(["accompany", "--help"]) == 0
    assert "--guidance-rescale" in capsys.readouterr().out


def test_resampled_back_and_forth_keeps_the_time(accompany, tmp_path, monkeypatch):
    """Nets that give back the mix itself must give it where it was: no shift, no scale, at any rate."""

    def echo(self, mix_latents, **kwargs):
        return StemPipelineOutput(audios=mix_latents, sampling_rate=44100)

    def encode(self, blocks, gain, frames):
        return torch.cat(list(blocks), dim=1)[None] * gain

    def decode(self, latents, num_samples, gain):
        assert latents.shape[-1] == num_samples
        return iter((latents[0] / gain).split(10_000, dim=1))

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", echo)
    monkeypatch.setattr(StemAccompanimentPipeline, "encode_stream", encode)
    monkeypatch.setattr(StemAccompanimentPipeline, "decode_stream", decode)
    for rate in (22050, 44100, 48000, 96000):
        tone = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(rate) / rate)[None]
        write_audio(tmp_path / "tone.wav", tone, rate)
        assert accompany(mix=tmp_path / "tone.wav")[0] == 0
        stem = read_audio(tmp_path / "bass.wav")[0]
        assert (stem - tone)[:, 2000:-2000].abs().max() < 1e-3


@pytest.fixture
def adapter(weights, tmp_path):
    """An adapter beside the tiny weights that is heard."""
    pytest.importorskip("peft")
    from latentstem.training.lora import add_lora, save_lora

    unet = StemAccompanimentPipeline.from_pretrained(weights).unet
    torch.manual_seed(0)
    add_lora(unet, rank=2)
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    save_lora(unet, tmp_path / "run" / "adapter")
    return tmp_path / "run" / "adapter"


def test_an_adapter_goes_into_the_net(accompany, weights, adapter, mix, tmp_path):
    assert accompany()[0] == 0
    plain = read_audio(tmp_path / "bass.wav")[0]
    assert accompany("--adapter", adapter)[0] == 0
    adapted = read_audio(tmp_path / "bass.wav")[0]
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.unet.load_lora_adapter(adapter)
    pipe.unet.fuse_lora()
    pipe.unet.unload_lora()
    pipe.save_pretrained(tmp_path / "fused")
    assert accompany(weights=tmp_path / "fused")[0] == 0
    fused = read_audio(tmp_path / "bass.wav")[0]
    assert (adapted - plain).abs().max() > 1e-2
    assert (adapted - fused).abs().max() < 1e-4


@pytest.mark.parametrize("folder", ["run/adapter", "run"])
def test_an_adapter_given_as_weights_is_told_where_it_goes(accompany, adapter, tmp_path, folder):
    code, _, err = accompany(weights=tmp_path / folder)
    assert code == 2 and is_one_error(err) and f"--adapter {adapter}" in err[0]


def test_no_adapter_and_another_nets_adapter_are_refused(accompany, adapter, tmp_path):
    code, _, err = accompany("--adapter", tmp_path / "run")
    assert code == 2 and is_one_error(err) and "expected the folder `adapter`" in err[0]
    (adapter / "pytorch_lora_weights.safetensors").write_bytes(b"no tensors")
    code, _, err = accompany("--adapter", adapter)
    assert code == 2 and is_one_error(err) and "--weights" in err[0]
    assert not (tmp_path / "bass.wav").exists()
