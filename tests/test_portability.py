"""What can be seen on Linux of whether the package works on Windows and macOS."""

import ast
import os
import threading
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import latentstem
from latentstem import Quality, resample_periodic, write_audio
from latentstem.cli import main

SOURCES = sorted(Path(latentstem.__file__).parent.rglob("*.py"))
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {"fork", "forkpty", "geteuid", "getloadavg", "getuid", "killpg", "mkfifo", "nice", "sched_getaffinity"}
POSIX_NAMES |= {"setsid", "sysconf", "uname", "SIGKILL", "SIGHUP", "SIGUSR1", "SIGALRM", "alarm", "setitimer"}


def guarded(tree):
    """The nodes inside a `try`, where what is missing can be done without."""
    return {node for attempt in ast.walk(tree) if isinstance(attempt, ast.Try) for node in ast.walk(attempt)}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_nothing_that_only_posix_has_is_used_unguarded(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in set(ast.walk(tree)) - guarded(tree):
        if isinstance(node, ast.Import):
            assert not {name.name for name in node.names} & POSIX_MODULES, f"{path}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            assert node.attr not in POSIX_NAMES, f"{path}:{node.lineno}"
        if isinstance(node, ast.Constant):
            assert node.value != "fork", f"{path}:{node.lineno}: processes are not to be forked"


@pytest.fixture
def strict_files(monkeypatch):
    """Windows neither removes nor renames a file that is open."""

    def is_open(path):
        handles = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]  # noqa: PTH118, PTH208
        return str(Path(path).absolute()) in [os.readlink(handle) for handle in handles if os.path.islink(handle)]  # noqa: PTH114, PTH115

    def closed_only(name):
        plain = getattr(Path, name)

        def checked(self, *args, **kwargs):
            for path in (self, *args):
                assert not is_open(path), f"{name} of {path}, which is open"
            return plain(self, *args, **kwargs)

        monkeypatch.setattr(Path, name, checked)

    for name in ("unlink", "replace", "rename"):
        closed_only(name)


@pytest.fixture
def words(build_pipeline, tmp_path):
    build_pipeline(carriers=8).save_pretrained(tmp_path / "weights")
    write_audio(tmp_path / "mix.wav", torch.rand(1, 12_000) - 0.5, 22050)
    return [
        *("accompany", str(tmp_path / "mix.wav"), "--weights", str(tmp_path / "weights"), "--device", "cpu"),
        *("--steps", "2", "-o", str(tmp_path / "bass.wav")),
    ]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux to see which files are open")
def test_no_open_file_is_renamed_or_removed(words, tmp_path, strict_files, monkeypatch):
    everything = [*words, "--midi", "--preview", "--init", str(tmp_path / "mix.wav"), "--keep", ":0.1"]
    assert main(everything) == 0
    assert main(everything) == 0  # over files that are there

    def full(self, frames):
        raise OSError("no space left on device")

    monkeypatch.setattr("soundfile.SoundFile.write", full)
    assert main(words) == 2
    assert not list(tmp_path.glob(".*"))


def test_the_command_line_runs_in_a_thread_where_signals_cannot_be_handled(words, tmp_path):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(words)))
    thread.start()
    thread.join()
    assert codes == [0] and (tmp_path / "bass.wav").is_file()


DOUBLE = (torch.float64, torch.complex128)


class Doubles(TorchDispatchMode):
    """Notes what makes double precision of single, and what has it on a device of a kind that has none."""

    def __init__(self):
        super().__init__()
        self.made, self.on_mps = [], []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        was_single = any(isinstance(one, torch.Tensor) and one.dtype not in DOUBLE for one in args)
        for result in results if isinstance(results, tuple | list) else (results,):
            if isinstance(result, torch.Tensor) and result.dtype in DOUBLE:
                self.made += [str(function)] if was_single else []
                self.on_mps += [str(function)] if result.device.type == "mps" else []
        return results


@pytest.mark.parametrize("quality", list(Quality))
def test_sampling_needs_no_double_precision(build_pipeline, quality):
    pipe, mix = build_pipeline(carriers=8, with_reranker=True), 0.1 * torch.randn(1, 9000)
    quality.apply_to(pipe)
    with Doubles() as doubles:
        pipe(mix, sampling_rate=44100, style=mix, num_inference_steps=4, num_waveforms_per_prompt=2, keep_best=1)
        pipe(mix, sampling_rate=44100, init_stem=mix, keep=[(0.0, 0.1)], num_inference_steps=4)
    assert doubles.made == []


@pytest.mark.filterwarnings("ignore")
def test_a_loop_on_a_device_without_double_precision():
    with FakeTensorMode(), Doubles() as doubles:
        turn = resample_periodic(torch.empty(1, 1, 1000, device="mps"), 1100)
    assert (turn.device.type, turn.dtype, turn.shape) == ("mps", torch.float32, (1, 1, 1100))
    assert doubles.on_mps == []
