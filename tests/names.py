"""Finds types that share a name, and names that are participles or riddles."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

VALUES = frozenset(
    [
        "asked",
        "brought",
        "cleaned",
        "evaluated",
        "found",
        "given",
        "gone",
        "heard",
        "held",
        "kept",
        "known",
        "left",
        "listed",
        "made",
        "meant",
        "named",
        "noted",
        "said",
        "shown",
        "taken",
        "told",
        "wanted",
    ]
)
# The others are nouns or adjectives of the trade where they name a value.
PARTICIPLES = VALUES | {"seen", "planned", "merged", "ingested", "delivered"}
# There is a plain verb for each: report, name, request, require, reveal, log.
RIDDLES = frozenset(["told", "tell", "tells", "asked", "said"])


def shared_types(folder: Path) -> Mapping[str, list[str]]:
    """Modules by the name of each public type that several of them define at the top."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, tree in _modules(folder):
        for node in tree.body:
            name = _type_name(node)
            if name and not name.startswith("_"):
                modules[name].append(module)
    return {name: sorted(where) for name, where in modules.items() if len(where) > 1}


def participles(folder: Path) -> set[tuple[str, str]]:
    """(module, name) of functions, methods and classes; leading underscores do not count."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {
        (module, node.name)
        for module, tree in _modules(folder)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.name.strip("_").lower() in PARTICIPLES
    }


def participle_values(folder: Path) -> set[tuple[str, str]]:
    """(module, name) of variables and parameters; leading underscores do not count.

    Not of a class's fields: JSON keys are a promise.
    """
    return {
        (module, name)
        for module, tree in _modules(folder)
        for name in map(_value_name, _without_fields(tree))
        if name.strip("_") in VALUES
    }


def riddled_tests(folder: Path) -> set[tuple[str, str]]:
    """(module, name) of tests whose name has a word of RIDDLES."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        (module, node.name)
        for module, tree in _modules(folder)
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.name.startswith("test_")
        if not RIDDLES.isdisjoint(node.name.split("_"))
    }


def _without_fields(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.ClassDef) and isinstance(child, ast.AnnAssign)):
            yield from _without_fields(child)


def _value_name(node: ast.AST) -> str:
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def _modules(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        name = ".".join(path.relative_to(folder).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text("utf-8"))


def _type_name(node: ast.stmt) -> str:
    """A class's or an alias's name; an alias is annotated so, or a subscripted CamelCase name."""
    if isinstance(node, ast.ClassDef):
        return node.name
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        is_alias = ast.unparse(node.annotation).endswith("TypeAlias")
        return node.target.id if is_alias else ""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        is_alias = isinstance(node.value, ast.Subscript | ast.BinOp)
        return name if is_alias and name[0].isupper() and not name.isupper() else ""
    return ""
