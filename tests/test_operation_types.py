"""What type checkers are told of the operations is what they take when they run."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from django_inventory import operations


def told() -> dict[str, list[str]]:
    """Return the arguments of each ``__init__`` that only type checkers see, by its class."""
    module = ast.parse(Path(operations.__file__).read_text())
    return {
        node.name: [arg.arg for arg in (*made.args.args[1:], *made.args.kwonlyargs)]
        for node in module.body
        if isinstance(node, ast.ClassDef)
        for made in ast.walk(node)
        if isinstance(made, ast.FunctionDef) and made.name == "__init__"
    }


def test_the_arguments_are_those_of_the_dataclasses() -> None:
    names = told()
    assert len(names) == 6
    for name, arguments in names.items():
        assert list(inspect.signature(getattr(operations, name)).parameters) == arguments
