"""--json: one document on standard output that says what the files themselves say."""

import json
import math
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem import Quality, StemAccompanimentPipeline, read_audio, write_audio
from latentstem.pipelines import encode_mix_file


def test_the_document_says_what_was_made_and_how(accompany, reranker_weights, mix, tmp_path):
    words = ["--json", "--preview", "--count", 4, "--keep-best", 2, "--seed", 5, "--guidance-scale", 3]
    code, out, err = accompany(*words, weights=reranker_weights)
    assert code == 0 and err == []
    document = json.loads("\n".join(out))
    first, second = document["stems"]
    for rank, stem in enumerate((first, second), start=1):
        audio, rate = read_audio(stem["path"])
        assert (stem["sampling_rate"], stem["seconds"]) == (rate, pytest.approx(audio.shape[1] / rate, abs=1e-6))
        assert stem["peak_db"] == pytest.approx(20 * math.log10(audio.abs().max()), abs=0.02)
        assert (stem["mix"], stem["rank"], stem["midi"], stem["notes"]) == (str(mix), rank, None, None)
        assert stem["path"] == str(tmp_path / f"bass-{rank}.wav")
        assert stem["remix"] == str(tmp_path / f"bass-{rank}-with-mix.wav") and Path(stem["remix"]).is_file()
        assert stem["picture"] == str(tmp_path / f"bass-{rank}.png") and Path(stem["picture"]).is_file()
        pipe = StemAccompanimentPipeline.from_pretrained(reranker_weights)
        pipe.set_progress_bar_config(disable=True)
        Quality.STANDARD.apply_to(pipe)
        call = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "latent"}
        mix_latents = encode_mix_file(pipe, mix).latents
        drawn = pipe(mix_latents=mix_latents, generator=torch.Generator().manual_seed(stem["seed"]), **call).audios
        assert stem["score"] == pytest.approx(pipe.score(mix_latents, drawn).item(), rel=1e-4)
    assert first["score"] >= second["score"]
    settings = document["settings"]
    assert (settings["weights"], settings["quality"], settings["steps"]) == (str(reranker_weights), "standard", 2)
    assert (settings["guidance_scale"], settings["guidance_rescale"]) == (3.0, 0.7)  # the second the weights' own
    assert (settings["seed"], settings["style"], settings["device"]) == (5, None, "cpu")
    assert document["versions"] == {
        "latentstem": latentstem.__version__,
        "torch": version("torch"),
        "diffusers": version("diffusers"),
    }
    assert document["skipped"] == [] and document["failed"] == []


def test_silence_has_no_peak_and_no_nan(accompany, mix, tmp_path, monkeypatch):
    monkeypatch.setattr("latentstem.cli.session.write_temporary_audio", lambda *args: 0.0)
    code, out, _ = accompany("--json")
    assert code == 0
    (stem,) = json.loads("\n".join(out), parse_constant=pytest.fail)["stems"]
    assert stem["peak_db"] is None and stem["score"] is None and stem["rank"] is None


def test_a_failing_mix_of_several_is_in_the_document_too(accompany, mix, tmp_path):
    write_audio(tmp_path / "other.wav", torch.rand(1, 5000) - 0.5, 44100)
    assert accompany(mix=tmp_path / "other.wav", output=tmp_path / "stems" / "other.wav")[0] == 0
    code, out, err = accompany("--json", tmp_path / "none.wav", tmp_path / "other.wav", output=tmp_path / "stems")
    assert code == 2 and len(err) == 2 and all(line.startswith("error: ") for line in err)
    document = json.loads("\n".join(out))
    assert [stem["path"] for stem in document["stems"]] == [str(tmp_path / "stems" / "mix.wav")]
    assert document["skipped"] == [str(tmp_path / "other.wav")]
    (failed,) = document["failed"]
    assert failed["mix"] == str(tmp_path / "none.wav") and "no such file" in failed["error"] and failed["code"] == 2


@pytest.mark.parametrize("words", [["--steps", "0"], ["--weights", "tuba-gm"], ["--style", "none.wav"]], ids=" ".join)
def test_an_error_is_still_one_line_and_nothing_else(accompany, words):
    code, out, err = accompany("--json", *words)
    assert code == 2 and out == []
    assert len(err) == 1 and err[0].startswith("error: ")


def test_an_interruption_prints_what_is_whole(accompany, tmp_path, monkeypatch):
    call = StemAccompanimentPipeline.__call__

    def interrupted_at_the_second(self, *args, generator, **kwargs):
        if generator.initial_seed() == 1:
            raise KeyboardInterrupt
        return call(self, *args, generator=generator, **kwargs)

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", interrupted_at_the_second)
    code, out, err = accompany("--json", "--count", 3)
    assert code == 1 and len(err) == 1 and "interrupted" in err[0]
    assert [stem["seed"] for stem in json.loads("\n".join(out))["stems"]] == [0]
