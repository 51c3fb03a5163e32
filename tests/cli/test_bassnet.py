"""`latentstem bassnet`: from a mix to the files of a line, and what it refuses."""

import json

import pytest
import torch

from latentstem import BassNetModel, BassNetPipeline, read_audio, write_audio
from latentstem.cli import main
from latentstem.cli.bassnet import read_path
from latentstem.cli.errors import UsageError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    model = BassNetModel(steps=10, channels=8, blocks=2, control_blocks=1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias)
    folder = tmp_path_factory.mktemp("bassnet")
    deep = {"mean": [2.0, 2.0], "covariance": [[1.0, 0.0], [0.0, 1.0]], "share": 1.0}
    BassNetPipeline(model.eval(), {"deep": deep}).save_pretrained(folder)
    return folder


@pytest.fixture
def mix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_audio("mix.wav", 0.1 * torch.randn(2, 3 * 22050), 22050)
    write_audio("played.wav", 0.1 * torch.randn(1, 3 * 22050), 22050)
    return tmp_path


def run(weights, *words):
    return main(["bassnet", "mix.wav", "--weights", str(weights), "--device", "cpu", *words])


def test_a_line_is_written_as_long_as_the_mix(weights, mix, capsys):
    assert run(weights, "--control", "0.3,-1", "--midi", "--json", "-o", "new/line.flac") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["line"], document["midi"], document["seconds"]) == ("new/line.flac", "new/line.mid", 3.0)
    audio, rate = read_audio(mix / "new" / "line.flac")
    assert (rate, audio.shape) == (22050, (1, 3 * 22050))
    assert (mix / "new" / "line.mid").read_bytes()[:4] == b"MThd"


def test_the_control_changes_the_line(weights, mix):
    (mix / "path.txt").write_text("0 2 2  # begin\n\n3, -2, -2\n")
    lines = {}
    for name, words in {
        "point": ["--control", "2,2"],
        "pattern": ["--control", "deep"],
        "path": ["--path", "path.txt"],
        "like": ["--like", "played.wav"],
    }.items():
        assert run(weights, *words, "-o", f"{name}.wav") == 0
        lines[name] = read_audio(mix / f"{name}.wav")[0]
    assert torch.equal(lines["point"], lines["pattern"])
    assert not torch.allclose(lines["point"], lines["path"]) and not torch.allclose(lines["like"], lines["path"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--control", "up"], "--control 'up'; expected one of: deep"),
        (["--control", "1,x"], "--control '1,x'; expected one of: deep"),
        (["--control", "1,2,3"], "expected 2 finite numbers"),
        (["--control", "1,nan"], "expected 2 finite numbers"),
        (["--control", "1,2", "--like", "played.wav"], "several of --control"),
        (["--path", "none.txt"], "none.txt"),
        (["-o", "mix.wav"], "read and written"),
        (["-o", "line.xyz"], "suffix"),
        (["--like", "none.wav"], "no such file"),
        (["--max-duration", "1"], "mix.wav"),
        (["--weights", "tuba"], "no weights named 'tuba'"),
        (["--weights", "bass-gm"], "weights for `latentstem accompany`"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(weights, mix, capsys, words, told):
    assert run(weights, *words) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and told in error and "\n" not in error
    assert sorted(file.name for file in mix.iterdir()) == ["mix.wav", "played.wav"]


@pytest.mark.parametrize("text", ["", "1 2\n1 2 3\n", "1\n", "0 x\n", "2 0 0\n1 0 0\n"])
def test_files_that_hold_no_path_are_refused(tmp_path, text):
    file = tmp_path / "path.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"expected|mend"):
        read_path(file)
