"""`latentstem accompany` when something fails or somebody interrupts: one line, exit code 1, whole files."""

import contextlib
import os
import signal
import subprocess
import sys
import time

from latentstem import StemAccompanimentPipeline, read_audio
from latentstem.cli import main
from latentstem.cli.report import Report


def test_an_unexpected_failure_is_one_line_and_exit_code_1(accompany, tmp_path, monkeypatch, is_one_error):
    def fail(*args, **kwargs):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(StemAccompanimentPipeline, "__call__", fail)
    code, _, err = accompany()
    assert code == 1
    assert is_one_error(err) and "RuntimeError: out of memory" in err[0]
    assert not (tmp_path / "bass.wav").exists()


def test_an_interruption_is_one_line_and_exit_code_1(accompany, tmp_path, monkeypatch, is_one_error):
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
    add_stem = Report.add_stem

    def report_while_interrupted(*arguments):
        add_stem(*arguments)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Report, "add_stem", report_while_interrupted)
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
