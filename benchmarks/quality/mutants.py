"""How much of a wrong program the tests notice: small faults are put into the code, one at a time, and the tests run.

A fault is one change of an operator, a comparison, a number, a truth value or a branch, drawn by seed from all such
places outside of messages. The docstring examples of the module and the tests of its room run until one fails, in a
process of their own that is stopped after a while. The share of faults that are noticed says how strong the tests of
the room are; some are left to those of other rooms, and some cannot be noticed, because the program stays right (a
number of samples that are read at once).

Run it as `python -m benchmarks.quality.mutants`; it needs a system with fork.
"""

import ast
import contextlib
import copy
import gc
import importlib
import importlib.abc
import importlib.util
import io
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from matplotlib.figure import Figure

from benchmarks.common.report import RESULTS, print_table, write_report

ROOT = Path(__file__).parents[2]
ROOMS = ("sampling", "guidance", "schedulers", "nn", "audio", "losses")
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
PRELOADED = (
    "diffusers.guiders",
    "diffusers.models.unets",
    "diffusers.schedulers.scheduling_ddim",
    "hypothesis",
    "librosa.core",
    "pytest",
    "sklearn.discriminant_analysis",
    "soundfile",
)
"""What the tests import besides this package: loaded once, before the processes begin."""
SECONDS = 180
"""Time of a processor after which tests are stopped, with a fault that has them run on and on."""
BYTES = 16 << 30
"""Address space of a process, for a fault that has it take all memory."""


class Fault(NamedTuple):
    """A place of a module where a fault can be put: its number among them, its line, and what stands there."""

    room: str
    path: Path
    index: int
    line: int
    what: str


def main(
    count: Annotated[int, typer.Option(min=6, help="Number of faults.")] = 120,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # else every process of a fault would look through all of it
    torch.set_num_threads(1)
    rng, faults = random.Random(seed), []
    for room in ROOMS:
        places = [place for path in sorted((ROOT / "latentstem" / room).glob("*.py")) for place in _places(room, path)]
        faults += rng.sample(places, min(count // len(ROOMS), len(places)))
    for room in ROOMS:
        if _notice(None, [ROOT / "latentstem" / room, ROOT / "tests" / room]):
            raise SystemExit(f"the tests of {room} fail without a fault")
    outcomes = []
    for number, fault in enumerate(faults):  # no progress bar: its thread would be forked
        outcomes.append((fault, _notice(fault, _tests_of_room(fault))))
        print(f"\r{number + 1} of {len(faults)} faults", end="", file=sys.stderr, flush=True)
    survivors = [
        f"{fault.path.relative_to(ROOT)}:{fault.line} {fault.what}" for fault, noticed in outcomes if not noticed
    ]
    counts = Counter(fault.room for fault in faults)
    noticed_by = Counter(fault.room for fault, noticed in outcomes if noticed)
    print_table(
        "faults that the tests notice",
        ("room", "noticed"),
        [(room, f"{noticed_by[room]} of {counts[room]}") for room in ROOMS],
        caption="",
    )
    print(*survivors, sep="\n")
    figures = {
        "noticed": sum(noticed_by.values()) / len(outcomes),
        "rooms": {room: noticed_by[room] / counts[room] for room in ROOMS},
        "survivors": survivors,
    }
    write_report("mutants", {"count": count, "seed": seed}, figures, plot(figures), results)


def _places(room: str, path: Path) -> Iterator[Fault]:
    """Yield the places of a file where a fault can be put."""
    for index, (node, _) in enumerate(_changes(ast.parse(path.read_text()))):
        yield Fault(room, path, index, node.lineno, ast.unparse(node)[:60].replace("\n", " "))


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Any]]:
    """Yield each node that can be changed, and a function that changes it."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise | ast.AnnAssign | ast.JoinedStr):  # messages and annotations
            skipped.update(id(below) for below in ast.walk(getattr(node, "annotation", node)))
        if isinstance(node, ast.FunctionDef):
            for argument in (*node.args.args, *node.args.kwonlyargs):
                skipped.update(id(below) for below in ast.walk(argument))
            skipped.update(id(below) for below in ast.walk(node.returns or ast.Pass()))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            yield node, lambda node: setattr(node, "op", OPERATORS[type(node.op)]())
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            yield node, lambda node: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]())
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node, lambda node: setattr(node, "value", _other_number(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, lambda node: setattr(node, "value", not node.value)
        elif isinstance(node, ast.If | ast.IfExp):
            yield node, lambda node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.BoolOp):
            yield node, lambda node: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _other_number(value: float) -> float:
    """Return the next number; of a large one, to which a unit is nothing, the double."""
    return 2 * value if value >= 100 else value + 1


def _faulty(path: Path, index: int) -> Any:
    """Compile a file with one fault."""
    tree = copy.deepcopy(ast.parse(path.read_text()))
    node, change = next(pair for number, pair in enumerate(_changes(tree)) if number == index)
    change(node)
    return compile(ast.fix_missing_locations(tree), str(path), "exec")


class _FaultyModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Import one module of the package with a fault, and all others as they are."""

    def __init__(self, path: Path, index: int):
        self.path, self.code = path, _faulty(path, index)
        self.name = _module_name(path)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        is_package = self.path.name == "__init__.py"
        spec = importlib.util.spec_from_file_location(
            fullname,
            self.path,
            loader=self,
            submodule_search_locations=[str(self.path.parent)] if is_package else None,
        )
        return spec

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(self.code, module.__dict__)


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _tests_of_room(fault: Fault) -> list[Path]:
    """Return the files of tests of a fault's room, those first that are the likeliest to notice it."""
    own = ROOT / "tests" / fault.room / f"test_{fault.path.stem}.py"
    files = sorted(own.parent.glob("test_*.py"), key=lambda path: path != own)
    return [*files[:1], fault.path, *files[1:]]


def _notice(fault: Fault | None, tests: Sequence[Path]) -> bool:
    """Return whether tests fail with a fault, or without one; they run in a process of their own."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        code = 1
        try:
            code = _run_tests(fault, tests)
        finally:
            os._exit(code)
    end = time.monotonic() + 10 * SECONDS  # a busy machine takes longer; a fault may also have the tests wait for ever
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _run_tests(fault: Fault | None, tests: Sequence[Path]) -> int:
    import pytest

    os.chdir(ROOT)
    for name in [name for name in sys.modules if name.split(".")[0] == "latentstem"]:
        del sys.modules[name]  # what the report has imported would stay as it is
    words = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        if fault is not None:
            sys.meta_path.insert(0, _FaultyModule(fault.path, fault.index))
            # For its docstring examples, pytest would itself read the file, which is without the fault.
            importlib.import_module(_module_name(fault.path))
        return int(pytest.main([*words, *map(str, tests)]))


def plot(figures: dict[str, Any]) -> Figure:
    rooms = figures["rooms"]
    figure = Figure(figsize=(6, 2.5), layout="constrained")
    panel = figure.subplots()
    panel.bar(list(rooms), list(rooms.values()))
    panel.set(ylim=(0, 1), ylabel="share noticed", title="Faults that the tests notice")
    return figure


if __name__ == "__main__":
    typer.run(main)
