"""`latentstem listen` on an example mix, whose tempo and bars are in its annotation."""

import json
import shlex
from pathlib import Path

import pytest
import torch

import latentstem
from latentstem.cli import main

MIX = Path(latentstem.__file__).parents[1] / "examples" / "audio" / "mix-1.flac"


def test_tempo_and_bars_of_a_mix_are_told_for_people_and_scripts(capsys):
    written = json.loads(MIX.with_suffix(".json").read_text())["song"]
    assert main(["listen", str(MIX), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bpm"] == pytest.approx(written["tempo"], rel=0.01)
    assert min(abs(told["downbeat"] - bar) for bar in written["bars"]) < 0.07
    assert main(["listen", str(MIX)]) == 0
    lines = capsys.readouterr().out.splitlines()
    words = shlex.split(lines[-1])
    assert words[:3] == ["latentstem", "accompany", str(MIX)]
    assert (float(words[words.index("--bpm") + 1]), words[-1]) == (told["bpm"], told["chords"])


def test_of_silence_nothing_is_told_and_what_is_no_mix_is_refused(tmp_path, capsys):
    latentstem.write_audio(tmp_path / "silence.wav", torch.zeros(1, 44100), 44100)
    assert main(["listen", str(tmp_path / "silence.wav")]) == 0
    assert capsys.readouterr().out.splitlines() == ["tempo   no beats were heard", "key     none", "chords  none"]
    assert main(["listen", str(tmp_path / "none.wav")]) == 2
    assert main(["listen", str(MIX), "--max-duration", "0"]) == 2
    assert main(["listen", str(MIX), "--max-duration", "3"]) == 2
