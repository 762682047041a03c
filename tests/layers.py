"""Who may import whom: the layers of src/seil, and what breaks them.

Every import counts: those inside functions, under TYPE_CHECKING and by import_module, too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from tests.imports import imported_names

# Bottom first. A unit is a module or a package with all that is in it; it may import units of the
# layers below its own, and none of its own layer.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("seil",),
    (
        "seil.errors",
        "seil.arrow_memory",
        "seil.checks",
        "seil.closing",
        "seil.interruption",
        "seil.ports",
        "seil.durations",
        "seil.masking",
        "seil.processes",
        "seil.sizes",
    ),
    ("seil.extras",),
    ("seil.aws_clients",),
    (
        "seil.deadline",
        "seil.retry_after",
        "seil.secrets_manager",
        "seil.sqlite_file",
        "seil.time_zones",
    ),
    ("seil.secret", "seil.wrong_values"),
    ("seil.settings",),
    ("seil.observe", "seil.postgres_server"),
    ("seil.catalog", "seil.lake", "seil.admanager", "seil.techone"),
    ("seil.events", "seil.salesforce"),
    ("seil.state", "seil.warehouse"),
    ("seil.modeling", "seil.iceberg"),
    ("seil.sf_to_dw.schema",),
    ("seil.sf_to_dw.extract",),
    ("seil.sf_to_dw.compare", "seil.sf_to_dw.ingest"),
    ("seil.sf_to_dw.load",),
    ("seil.sf_to_dw", "seil.dw_to_sf", "seil.gam_to_sf", "seil.sf_to_t1", "seil.api"),
    ("seil.app", "seil.sandbox"),
    ("seil.aws", "seil.cli"),
    ("seil.__main__",),
)

# What a package may import at run time, apart from itself; to name a type is left to the layers.
AT_RUN_TIME: dict[str, tuple[str, ...]] = {
    "seil.cli": (
        "seil.app",
        "seil.sandbox",
        "seil.api",
        "seil.observe",
        "seil.settings",
        "seil.secret",
        "seil.errors",
        "seil.extras",
        "seil.masking",
        "seil.interruption",
        "seil.ports",
        "seil.sizes",
    ),
}

# Lends names of the layers above it, each imported when it is first used.
LENDERS = ("seil",)


class Import(NamedTuple):
    """`name` is what is taken from the module, empty where the module itself is imported."""

    importer: str
    module: str
    name: str
    for_types: bool = False

    def __str__(self) -> str:
        return f"{self.importer} imports {self.module}" + (f".{self.name}" if self.name else "")


def read_imports(source: Path) -> list[Import]:
    """Every import of a module below `source` by another one there."""
    files = {_module(path.relative_to(source)): path for path in source.rglob("*.py")}
    return [imported for name, path in files.items() for imported in _imports(name, path, files)]


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(importer: str, path: Path, files: Mapping[str, Path]) -> Iterator[Import]:
    tree = ast.parse(path.read_text("utf-8"))
    types = {id(node) for block in ast.walk(tree) for node in _for_types(block)}
    for imported in imported_names(tree, importer, is_package=path.name == "__init__.py"):
        # The table of the Python API is no import: it is read when a person asks for a name.
        if importer in LENDERS and isinstance(imported.node, ast.Constant):
            continue
        for_types = id(imported.node) in types
        inner = f"{imported.module}.{imported.name}"
        if inner in files:
            yield Import(importer, inner, "", for_types)
        elif imported.module in files:
            yield Import(importer, imported.module, imported.name, for_types)


def _for_types(block: ast.AST) -> Iterator[ast.AST]:
    """What stands under `if TYPE_CHECKING:`, where that is what `block` is."""
    if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
        for statement in block.body:
            yield from ast.walk(statement)


def upward(imports: Sequence[Import], layers: Sequence[Sequence[str]] = LAYERS) -> set[Import]:
    """Imports of the same layer or of one above. Raises LookupError for a module in no layer."""
    ranks = {unit: rank for rank, units in enumerate(layers) for unit in units}

    def unit(module: str) -> str:
        parts = module.split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            # The root is itself alone: a module without a layer is not in it.
            if name in ranks and (name != layers[0][0] or name == module):
                return name
        raise LookupError(f"{module} is in no layer: add it to tests/layers.py")

    return {
        imported
        for imported in imports
        if unit(imported.importer) != unit(imported.module)
        and ranks[unit(imported.module)] >= ranks[unit(imported.importer)]
    }


def past_the_next(
    imports: Sequence[Import], allowed: Mapping[str, Sequence[str]] = AT_RUN_TIME
) -> set[Import]:
    """Imports at run time of what the importer's package may only name."""

    def is_in(module: str, package: str) -> bool:
        return module == package or module.startswith(f"{package}.")

    return {
        imported
        for imported in imports
        for package, units in allowed.items()
        if not imported.for_types and is_in(imported.importer, package)
        # The root holds the version, and lends no package's insides.
        if imported.module != package.partition(".")[0]
        if not any(is_in(imported.module, unit) for unit in (package, *units))
    }


def private(imports: Sequence[Import]) -> set[Import]:
    """Names and modules with a leading underscore, taken from outside their package."""
    return {
        imported
        for imported in imports
        if (imported.name.startswith("_") and not imported.name.startswith("__"))
        or (
            any(part.startswith("_") and part != "__main__" for part in imported.module.split("."))
            and imported.importer.rpartition(".")[0] != imported.module.rpartition(".")[0]
        )
    }


def circle(imports: Sequence[Import]) -> list[str]:
    """The modules of an import circle, in order; empty where there is none."""
    graph: dict[str, set[str]] = {}
    for imported in imports:
        graph.setdefault(imported.importer, set()).add(imported.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
