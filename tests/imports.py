"""The imports of a module, read from its source: statements, and calls of import_module too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_LOADERS = frozenset({"import_module", "__import__"})


class ImportedName(NamedTuple):
    """`name` is what is taken from the module, empty where the module itself is imported."""

    node: ast.AST
    module: str
    name: str


def imported_names(tree: ast.AST, importer: str, *, is_package: bool) -> Iterator[ImportedName]:
    """Relative ones resolved; those inside functions too.

    Where a module is imported by a name that is not a constant, each text in the importer may be
    that name, and counts.
    """
    is_dynamic = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (ImportedName(node, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(importer, node, is_package=is_package)
            yield from (ImportedName(node, module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and _last_name(node.func) in _LOADERS:
            module = _loaded(node)
            is_dynamic |= not module
            # A module's own package is loaded before it.
            if module and not importer.startswith(f"{module}."):
                yield ImportedName(node, module, "")
    if is_dynamic:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield ImportedName(node, node.value, "")


def _loaded(call: ast.Call) -> str:
    """The module of a constant call; its package where only the last name is not constant."""
    argument = next(iter(call.args), None) or next((k.value for k in call.keywords), None)
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    if isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        return str(argument.values[0].value).rpartition(".")[0]
    return ""


def _last_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _absolute(importer: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])
