"""Finds types that share a name, and functions and classes named by a participle."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

PARTICIPLES = frozenset(
    [
        "found",
        "told",
        "known",
        "asked",
        "made",
        "kept",
        "said",
        "gone",
        "given",
        "taken",
        "left",
        "held",
        "seen",
        "meant",
        "heard",
        "wanted",
        "brought",
        "shown",
        "noted",
        "named",
        "listed",
        "planned",
        "merged",
        "cleaned",
        "evaluated",
        "ingested",
        "delivered",
    ]
)


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
