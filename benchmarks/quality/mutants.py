"""How much of a wrong program the tests notice: small faults are put into the code, one at a time, and the tests run.

A fault is one change of an operator, a comparison, a number, a truth value or a branch, drawn by seed from all such
places outside of messages. The tests of the fault's room run until one fails, in a process of their own that is
stopped after a while. The share of faults that are noticed says how strong the tests are; some cannot be noticed,
because the program stays right (a bound of 100,000 that becomes 100,001).

Run it as `python -m benchmarks.quality.mutants`; it needs a system with fork.
"""

import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import io
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

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
SECONDS = 180
NOTICED, SURVIVED, SLOW = 1, 0, 2


def main(
    count: Annotated[int, typer.Option(min=6, help="Number of faults.")] = 120,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
    results: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULTS,
) -> None:
    import torch  # before the forks, which then need not load it

    torch.set_num_threads(1)
    rng, faults = random.Random(seed), []
    for room in ROOMS:
        places = [place for path in sorted((ROOT / "latentstem" / room).glob("*.py")) for place in _places(path)]
        faults += [(room, *place) for place in rng.sample(places, min(count // len(ROOMS), len(places)))]
    for room in ROOMS:
        if _try(room, ROOT / "latentstem" / room / "__init__.py", None) != SURVIVED:
            raise SystemExit(f"the tests of {room} fail without a fault")
    outcomes = []
    for number, (room, path, index, line, what) in enumerate(faults):  # no progress bar: its thread would be forked
        outcomes.append((room, path, line, what, _try(room, path, index)))
        print(f"\r{number + 1} of {len(faults)} faults", end="", file=sys.stderr, flush=True)
    survivors = [
        f"{path.relative_to(ROOT)}:{line} {what}" for _, path, line, what, code in outcomes if code == SURVIVED
    ]
    noticed = Counter(room for room, *_, code in outcomes if code != SURVIVED)
    counts = Counter(room for room, *_ in outcomes)
    rows = [(room, f"{noticed[room]} of {counts[room]}") for room in ROOMS]
    print_table("faults that the tests notice", ("room", "noticed"), rows, caption="")
    print(*survivors, sep="\n")
    figures = {
        "noticed": sum(noticed.values()) / len(outcomes),
        "rooms": {room: noticed[room] / counts[room] for room in ROOMS},
        "survivors": survivors,
    }
    write_report("mutants", {"count": count, "seed": seed}, figures, plot(figures), results)


def _places(path: Path) -> Iterator[tuple[Path, int, int, str]]:
    """Yield the places of a file where a fault can be put: their index, line, and what changes."""
    for index, (node, _) in enumerate(_changes(ast.parse(path.read_text()))):
        yield path, index, node.lineno, ast.unparse(node)[:60].replace("\n", " ")


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
            yield node, lambda node: setattr(node, "value", node.value + 1)
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, lambda node: setattr(node, "value", not node.value)
        elif isinstance(node, ast.If | ast.IfExp):
            yield node, lambda node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.BoolOp):
            yield node, lambda node: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())


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
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

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


def _try(room: str, path: Path, index: int | None) -> int:
    """Run the tests of a room with a fault, or without one, in a process of its own."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(_run_tests(room, path, index))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return SURVIVED if code == 0 else NOTICED
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return SLOW


def _run_tests(room: str, path: Path, index: int | None) -> int:
    import pytest

    os.chdir(ROOT)
    for name in [name for name in sys.modules if name.split(".")[0] == "latentstem"]:
        del sys.modules[name]  # what the report has imported would stay as it is
    if index is not None:
        sys.meta_path.insert(0, _FaultyModule(path, index))
    own = ROOT / "tests" / room / f"test_{path.stem}.py"
    words = ["-x", "-q", "-p", "no:cacheprovider", "--no-header"]
    silent = io.StringIO()
    # Without the doctests: pytest reads the files that it is given itself, and would read the one without the fault.
    paths = ([own] if own.exists() else []) + [ROOT / "tests" / room]
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        return int(pytest.main([*words, *map(str, paths)]))


def plot(figures: dict[str, Any]) -> Figure:
    rooms = figures["rooms"]
    figure = Figure(figsize=(6, 2.5), layout="constrained")
    panel = figure.subplots()
    panel.bar(list(rooms), list(rooms.values()))
    panel.set(ylim=(0, 1), ylabel="share noticed", title="Faults that the tests notice")
    return figure


if __name__ == "__main__":
    typer.run(main)
