"""`latentstem accompany`: what it writes is what the pipeline makes."""

import json
import shutil
import weakref

import pytest
import torch

from latentstem import Quality, StemAccompanimentPipeline, StemPipelineOutput, read_audio, write_audio
from latentstem.cli import main
from latentstem.pipelines import encode_mix_file, write_stem_file


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


def test_a_stem_of_several_is_chosen_and_its_file_named_after_it(accompany, band_weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model-rate.wav"
    write_audio(path, torch.rand(1, 9000) - 0.5, 44100)
    words = ["accompany", str(path), "--weights", str(band_weights), "--steps", "2", "--device", "cpu"]
    assert main([*words, "--target", "drums"]) == main(words) == 0
    pipe = StemAccompanimentPipeline.from_pretrained(band_weights)
    pipe.set_progress_bar_config(disable=True)
    for name in ("bass", "drums"):
        call = {"num_inference_steps": 2, "generator": torch.Generator().manual_seed(0), "target": name}
        expected = pipe(read_audio(path)[0], sampling_rate=44100, **call).audios[0]
        torch.testing.assert_close(read_audio(tmp_path / f"{name}.wav")[0], expected, rtol=0, atol=2**-22)


@pytest.mark.parametrize("target", ["piano", "../drums"])
def test_a_stem_that_weights_do_not_generate_is_refused(accompany, band_weights, weights, is_one_error, target):
    for folder, known in ((band_weights, "generate bass, drums, chords1"), (weights, "generate bass")):
        code, out, err = accompany("--target", target, weights=folder)
        assert (code, out) == (2, []) and is_one_error(err)
        assert f"--target {target}" in err[0] and err[0].endswith(known)


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
    unipc, ddim = "UniPCMultistepScheduler", "CosineDDIMScheduler"
    for more, expected in (
        ([], (unipc, 16)),
        (["--quality", "fast"], (unipc, 8)),
        (["--quality", "best"], (ddim, 64)),
        (["--quality", "standard", "--steps", "5"], (unipc, 5)),
    ):
        assert main([*words, *more]) == 0
        assert asked.pop() == expected
    assert main([*words, "--quality", "great"]) == 2


def test_candidates_count_their_seeds_up(accompany, tmp_path):
    code, out, _ = accompany("--count", 3, "--seed", 5)
    assert code == 0
    assert [line.split()[2].rstrip(",") for line in out] == ["5", "6", "7"]
    candidates = [read_audio(tmp_path / f"bass-{k}.wav")[0] for k in (1, 2, 3)]
    assert not torch.equal(candidates[0], candidates[1])
    accompany("--seed", 6)
    assert torch.equal(read_audio(tmp_path / "bass.wav")[0], candidates[1])


def test_the_best_candidates_are_written_and_the_best_comes_first(accompany, reranker_weights, mix, tmp_path):
    code, out, _ = accompany("--count", 5, "--seed", 3, "--keep-best", 2, weights=reranker_weights)
    assert code == 0
    pipe = StemAccompanimentPipeline.from_pretrained(reranker_weights)
    pipe.set_progress_bar_config(disable=True)
    mix_latents = encode_mix_file(pipe, mix).latents
    scores = {}
    for seed in range(3, 8):
        generator = torch.Generator().manual_seed(seed)
        drawn = pipe(mix_latents=mix_latents, num_inference_steps=2, generator=generator, output_type="latent").audios
        with torch.no_grad():
            scores[seed] = pipe.reranker(mix_latents, drawn).item()
    first, second = sorted(scores, key=scores.get, reverse=True)[:2]
    assert [line.split()[2].rstrip(",") for line in out] == [str(first), str(second)]
    assert out[0].endswith("best of 5") and out[1].endswith("number 2 of 5")
    assert sorted(path.name for path in tmp_path.glob("bass*")) == ["bass-1.wav", "bass-2.wav"]
    for k, seed in enumerate((first, second), start=1):
        accompany("--seed", seed)
        assert torch.equal(read_audio(tmp_path / f"bass-{k}.wav")[0], read_audio(tmp_path / "bass.wav")[0])


def test_the_one_best_has_the_plain_name_and_no_other_candidate_is_held(
    accompany, reranker_weights, tmp_path, monkeypatch
):
    scores, seen = iter([2.0, 5.0, 5.0, 1.0]), []

    def score(self, mix_latents, latents):
        assert sum(held() is not None for held in seen) <= 1
        seen.append(weakref.ref(latents))
        return torch.tensor([next(scores)])

    monkeypatch.setattr(StemAccompanimentPipeline, "score", score)
    code, out, _ = accompany("--count", 4, "--keep-best", 1, weights=reranker_weights)
    assert code == 0 and len(seen) == 4
    assert out == [f"{tmp_path / 'bass.wav'}: {out[0].partition(': ')[2]}"]
    assert "seed 1," in out[0] and out[0].endswith(", best of 4")


def test_ranking_without_a_reranker_is_refused_before_anything_is_drawn(accompany, monkeypatch, is_one_error):
    monkeypatch.setattr("latentstem.cli.session.encode_mix_file", None)
    code, out, err = accompany("--count", 2, "--keep-best", 1)
    assert code == 2 and out == []
    assert is_one_error(err) and "reranker" in err[0]


@pytest.fixture
def stem(tmp_path):
    path = tmp_path / "stem.wav"
    write_audio(path, 0.4 * torch.rand(1, 12_345) - 0.2, 22050)
    return path


def test_missing_folders_are_made(accompany, tmp_path):
    output = tmp_path / "takes" / "monday" / "bass.wav"
    code, _, err = accompany("--preview", output=output)
    assert code == 0, err
    assert sorted(path.name for path in output.parent.iterdir()) == ["bass-with-mix.wav", "bass.png", "bass.wav"]


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
        (("--redo", "0.3:", "--redo", "0.1:0.2"), {"keep": [(0.0, 0.1), (0.2, 0.3)]}),
        (("--redo", ":0.2"), {"keep": [(0.2, None)]}),
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


def test_a_loop_is_what_the_pipeline_makes_and_its_kept_samples_are_those_of_the_file(
    accompany, weights, mix, stem, tmp_path
):
    assert accompany("--loop")[0] == 0
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    pipe.set_progress_bar_config(disable=True)
    Quality.STANDARD.apply_to(pipe)
    encoded = encode_mix_file(pipe, mix, loop=True)
    generator = torch.Generator().manual_seed(0)
    call = {"num_inference_steps": 2, "generator": generator, "output_type": "latent", "loop": True}
    write_stem_file(pipe, encoded, pipe(mix_latents=encoded.latents, **call).audios, tmp_path / "expected.wav")
    assert torch.equal(read_audio(tmp_path / "bass.wav")[0], read_audio(tmp_path / "expected.wav")[0])
    assert accompany("--loop", "--init", stem, "--keep", "0:0.2")[0] == 0
    made, given = read_audio(tmp_path / "bass.wav"), read_audio(stem)
    inside = slice(round(0.03 * made[1]), round(0.17 * made[1]))
    torch.testing.assert_close(made[0][:, inside], given[0][:, inside], atol=2**-22, rtol=0)


def test_a_stem_of_another_length_is_refused_with_both_lengths(accompany, tmp_path, is_one_error):
    write_audio(tmp_path / "short.wav", torch.rand(1, 24_000) - 0.5, 48000)
    code, out, err = accompany("--init", tmp_path / "short.wav")
    assert code == 2 and out == []
    assert is_one_error(err) and "0.500 s" in err[0] and "0.560 s" in err[0] and "short.wav" in err[0]


def test_a_gain_is_heard_in_the_stem_and_beside_the_mix(accompany, mix, tmp_path):
    stems, sums = [], []
    for gain in (0, -6):
        assert accompany("--gain", gain, "--preview", "-o", tmp_path / "bass.wav", "--overwrite")[0] == 0
        stems.append(read_audio(tmp_path / "bass.wav")[0])
        sums.append(read_audio(tmp_path / "bass-with-mix.wav")[0])
    torch.testing.assert_close(stems[1], 10**-0.3 * stems[0], rtol=0, atol=1e-6)
    mixed = read_audio(mix)[0]
    both = mixed + stems[1]
    torch.testing.assert_close(sums[1], both / both.abs().max().clamp(min=1), rtol=0, atol=1e-5)


def test_two_styles_of_other_rates_and_lengths_are_blended(accompany, mix, tmp_path):
    styles = [tmp_path / "low.flac", tmp_path / "high.wav"]
    write_audio(styles[0], 0.5 * torch.sin(torch.arange(48000) * 0.02)[None], 48000)
    write_audio(styles[1], 0.5 * torch.sin(torch.arange(20000) * 0.3).expand(2, -1), 44100)
    stems = []
    for words in (styles[:1], [styles[0], "--second-style", styles[1], "--blend", 0], styles[1:]):
        code, *_ = accompany("--style", *words, "-o", tmp_path / "bass.wav", "--overwrite")
        assert code == 0
        stems.append(read_audio(tmp_path / "bass.wav")[0])
    torch.testing.assert_close(stems[0], stems[1], rtol=0, atol=1e-4)
    assert (stems[0] - stems[2]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["--second-style", "MIX"], "--second-style is blended with --style"),
        (["--blend", 0.3], "share of --second-style"),
    ],
)
def test_a_blend_without_its_styles_is_refused(accompany, mix, is_one_error, words, fix):
    code, _, err = accompany(*(mix if word == "MIX" else word for word in words))
    assert code == 2 and is_one_error(err) and fix in err[0]


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


def test_the_style_space_of_the_weights_is_used_or_missed_in_one_line(accompany, weights, mix, tmp_path, is_one_error):
    code, _, err = accompany("--style-space")
    assert code == 2 and is_one_error(err) and "--style-space without a style reference; pass one as --style" in err[0]
    code, _, err = accompany("--style", mix, "--style-space")
    assert code == 2 and is_one_error(err) and "holds no style space" in err[0]
    with_space = tmp_path / "with-space"
    shutil.copytree(weights, with_space)
    config = json.loads((with_space / "autoencoder" / "config.json").read_text())
    config |= {"style_readout": [[1.0, 0.0, 0.0, 0.0]], "style_directions": [[1.0, 0.0, 0.0, 0.0]]}
    (with_space / "autoencoder" / "config.json").write_text(json.dumps(config))
    stems = []
    for words in ((), ("--style-space",)):
        assert accompany("--style", mix, *words, weights=with_space)[0] == 0
        stems.append(read_audio(tmp_path / "bass.wav")[0])
    assert not torch.equal(*stems)


def test_help_groups_the_options(capfd):
    assert main(["accompany", "--help"]) == 0
    printed = capfd.readouterr().out
    groups = [printed.index(f" {group} ") for group in ("Result", "Style", "Steering", "Edit", "Files", "Expert")]
    assert groups == sorted(groups)


def test_a_folder_of_recordings_called_like_the_weights_is_not_taken_for_weights(accompany, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bass").mkdir()
    code, _, errors = accompany(weights="bass")
    assert code == 0, errors
