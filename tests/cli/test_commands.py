"""The other commands: training, corpus, evaluation, help."""

import json
import shutil

import pytest

from latentstem.cli import main
from latentstem.data import corpus


@pytest.mark.parametrize("net", ["autoencoder", "unet", "reranker", "contrastive"])
@pytest.mark.parametrize("words", [[], ["--no-such-option"], ["--steps", "many"]])
def test_bad_training_options_are_one_line_and_exit_code_2(capfd, net, words, is_one_error):
    assert main(["train", net, *words]) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())


@pytest.mark.parametrize("net", ["autoencoder", "unet", "reranker"])
def test_training_without_data_is_one_line_and_exit_code_2(capfd, tmp_path, weights, net, is_one_error):
    words = ["--data", tmp_path / "none", "--output", tmp_path / "run", "--mixed-precision", "no"]
    words += ["--autoencoder", weights / "autoencoder"] if net != "autoencoder" else []
    assert main(["train", net, *map(str, words)]) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())


@pytest.mark.parametrize("words", [["--songs", "0"], ["--soundfont", "none"], ["--duration", "nan"], []])
def test_bad_corpus_options_are_one_line_and_exit_code_2(capfd, tmp_path, monkeypatch, words, is_one_error):
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


def evaluate(weights, output, *words):
    options = ["--count", "2", "--steps", "2", "--seconds", "2"]
    return main(["evaluate", str(weights), "-o", str(output), *options, *map(str, words)])


@pytest.fixture(scope="module")
def evaluated(weights, tmp_path_factory):
    """Where the tiny weights were evaluated, on songs that are no longer than what is used of them."""
    folder, write_corpus = tmp_path_factory.mktemp("evaluated"), corpus.write_corpus
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "write_corpus", lambda *a, **_: write_corpus(*a, duration=3.0, workers=1))
        assert evaluate(weights, folder) == 0
    return folder


@pytest.mark.fluidsynth
def test_evaluate_writes_figures_and_goes_on_with_its_songs(capfd, tmp_path, weights, evaluated):
    assert {"songs", "evaluation.json", "evaluation.md", "evaluation.png"} == {p.name for p in evaluated.iterdir()}
    assert evaluate(weights, tmp_path, "--songs", evaluated / "songs") == 0
    assert "chord share" in capfd.readouterr().out
    assert (tmp_path / "evaluation.json").read_text() == (evaluated / "evaluation.json").read_text()


@pytest.mark.fluidsynth
def test_evaluate_judges_the_stem_that_it_is_told(tmp_path, band_weights, evaluated):
    scores = {}
    for target in ("bass", "chords1"):
        assert evaluate(band_weights, tmp_path / target, "--songs", evaluated / "songs", "--target", target) == 0
        scores[target] = json.loads((tmp_path / target / "evaluation.json").read_text())["scores"]
    for kind in ("true stem", "generated"):
        assert scores["bass"][kind] != scores["chords1"][kind]
    assert evaluate(band_weights, tmp_path / "lead", "--songs", evaluated / "songs", "--target", "lead") == 2


def test_evaluate_judges_the_net_with_its_adapter(capfd, tmp_path, weights, evaluated, adapter, is_one_error):
    assert evaluate(weights, tmp_path, "--songs", evaluated / "songs", "--adapter", adapter) == 0
    assert (tmp_path / "evaluation.json").read_text() != (evaluated / "evaluation.json").read_text()
    capfd.readouterr()
    assert evaluate(weights, tmp_path, "--songs", evaluated / "songs", "--adapter", tmp_path) == 2
    assert is_one_error(capfd.readouterr().err.splitlines())


def test_evaluate_says_what_is_wrong_with_its_songs(capfd, tmp_path, weights):
    assert main(["evaluate", str(weights), "--songs", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error:") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_page_takes_several_adapters_and_plays_the_first(weights, adapter, monkeypatch, tmp_path, capfd):
    pytest.importorskip("gradio")
    served = []
    monkeypatch.setattr("latentstem.ui.server.serve", lambda pipe, *rest: served.append((pipe, rest[-1])))
    words = ["ui", "--weights", weights, "--port", "0", "--no-open", "--device", "cpu", "--adapter", adapter]
    other = shutil.copytree(adapter, tmp_path / "upright 1.5")
    assert main([str(word) for word in [*words, "--adapter", other]]) == 0
    ((pipe, names),) = served
    assert names == ["run", "upright 1-5"] and pipe.unet.active_adapters() == ["run"]
    capfd.readouterr()
    assert main([str(word) for word in [*words, "--adapter", adapter]]) == 2
    assert "two adapters with the name run" in capfd.readouterr().err


def test_help_and_version_need_no_weights(capsys):
    assert main(["--version"]) == 0
    assert main(["accompany", "--help"]) == 0
    assert "--guidance-rescale" in capsys.readouterr().out
