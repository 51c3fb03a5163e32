"""Lazy exports (PEP 562): a package imports a public name when it is first used, so that importing it costs nothing.

The names stand in the package's stub, `__init__.pyi`, which type checkers and editors read: no name is written twice.
"""

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def export_lazily(package: str, load_unlisted: Callable[[str], Any] | None = None) -> None:
    """Give a package `__all__`, `__dir__` and `__getattr__` for the names of its stub.

    Args:
        package: Dotted name of the package, which calls this from its `__init__.py`; beside it stands `__init__.pyi`.
        load_unlisted: Function that is called with a name that the stub lacks; it returns the value, or raises
            `AttributeError`. It is one call away from the code that asked. None: no other names.
    """
    namespace = vars(sys.modules[package])
    stub = ast.parse(Path(namespace["__file__"]).with_suffix(".pyi").read_text(encoding="utf-8"))
    module_of, defined = {}, []
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            module_of |= {alias.name: node.module for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            defined.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.append(node.target.id)
    names = sorted([*module_of, *defined])

    def load(name: str) -> Any:
        if name not in module_of and load_unlisted is not None:
            return load_unlisted(name)
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = value = getattr(import_module(module_of[name]), name)
        return value

    namespace.update(__all__=names, __dir__=lambda: sorted({*namespace, *names}), __getattr__=load)
