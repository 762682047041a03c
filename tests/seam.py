"""What breaks the seam around the warehouse: SQL, engines and drivers where they do not belong.

SQL for the warehouse stands in the models and in the engine of each kind of warehouse. Everything
else calls typed methods, so that another engine can stand behind them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from seil.warehouse.engines import ENGINES as ENTRIES

# Packages and modules, by the first names of their path.
ENGINES = ("seil.warehouse",)
SQL_MODELS = ("seil.modeling",)
# Stores of their own, each with its SQL in a module or package of its own.
SQLITE_STORES = (
    "seil.api.services.idempotency",
    "seil.events.dispatch_state",
    "seil.events.journal",
    "seil.events.journal_file",
    "seil.sandbox",
    "seil.sqlite_file",
    "seil.state",
)
# The state may lie on a server.
SERVER_STORES = ("seil.state",)
# Record rules are DuckDB expressions whatever the warehouse is, and a push's plan is made by one;
# the stand-in for Salesforce keeps its records in a DuckDB of its own.
DUCKDB_USERS = (
    "seil.warehouse.duckdb",
    "seil.sf_to_dw.ingest.expressions",
    "seil.dw_to_sf.diff",
    "seil.dw_to_sf.plan_rows",
    "seil.dw_to_sf.values",
    "seil.sandbox",
)
# The default of `[warehouse] url`, and the demo's.
URL_WRITERS = ("seil.settings.storage", "seil.cli.demo")
# SOQL begins like SQL.
SOQL = ("seil.salesforce",)

_STATEMENT = re.compile(
    r"""\s*(
        \(?SELECT\s | WITH\s(RECURSIVE\s)?\w+(\s*\([^)]*\))?\s+AS\s | INSERT\s+(OR\s+\w+\s+)?INTO\s
        | UPDATE\s+\S+\s+(AS\s|SET\s)
        | DELETE\s+FROM\s | MERGE\s+INTO\s | TRUNCATE\s
        | (CREATE|ALTER|DROP)\s+(OR\s|TABLE|VIEW|SCHEMA|TEMP|UNIQUE|INDEX|SEQUENCE|MACRO|FUNCTION)
        | COPY\s.*\s(TO|FROM)\s | COMMENT\s+ON\s | UNION\s | PRAGMA\s | ATTACH\s | CHECKPOINT\b
    )""",
    re.VERBOSE | re.DOTALL,
)
# An engine's scheme, alone or before the rest of a URL.
_SCHEME = re.compile(rf"\A({'|'.join(ENTRIES)})\Z|(?<![\w.])({'|'.join(ENTRIES)}):")
_WAREHOUSE_CALLS = frozenset({"append", "execute", "query", "rename", "replace", "stream"})


class Offence(NamedTuple):
    module: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.what}"


def offences(source: Path) -> list[Offence]:
    """In every module below `source`."""
    return [
        Offence(module, line, what)
        for path in sorted(source.rglob("*.py"))
        for module in [".".join(path.relative_to(source).with_suffix("").parts)]
        for line, what in _in_module(module, ast.parse(path.read_text("utf-8")))
    ]


def _in_module(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstrings = {id(text) for text in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, what) for what in _wrong_imports(module, node))
        elif isinstance(node, ast.Call) and not _is_in(module, (*ENGINES, *SQL_MODELS)):
            if what := _call_of_warehouse(node):
                yield node.lineno, what
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield from ((node.lineno, what) for what in _wrong_texts(module, node.value))


def _wrong_texts(module: str, text: str) -> Iterator[str]:
    if _STATEMENT.match(text) and not _is_in(
        module, (*ENGINES, *SQL_MODELS, *SQLITE_STORES, *DUCKDB_USERS, *SOQL)
    ):
        yield f"SQL: {' '.join(text.split())[:40]}"
    if _SCHEME.search(text) and not _is_in(module, (*ENGINES, *URL_WRITERS)):
        yield f"the scheme of an engine: {' '.join(text.split())[:40]}"


def _wrong_imports(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    allowed: dict[str, Collection[str]] = {
        "duckdb": DUCKDB_USERS,
        "sqlglot": (*ENGINES, *SQL_MODELS),
        "sqlite3": SQLITE_STORES,
        "psycopg": (*ENGINES, *SERVER_STORES),
        "adbc_driver_manager": ENGINES,
        "adbc_driver_postgresql": ENGINES,
        "pyiceberg": ENGINES,
        "pyspark": ENGINES,
        "seil.warehouse.duckdb": ENGINES,
        "seil.warehouse.sql": (*ENGINES, *SQL_MODELS),
    }
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _imported_from(module, node)
        names = [base, *(f"{base}.{name}" for name in names)]
    for wanted, importers in allowed.items():
        if any(_is_in(name, [wanted]) for name in names) and not _is_in(module, importers):
            yield f"imports {wanted}"


def _imported_from(module: str, node: ast.ImportFrom) -> str:
    """With the package that a relative import starts from."""
    parent = module.split(".")[: -node.level] if node.level else []
    return ".".join([*parent, *([node.module] if node.module else [])])


def _call_of_warehouse(call: ast.Call) -> str:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _WAREHOUSE_CALLS:
        return ""
    owner = call.func.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return f"calls {name}.{call.func.attr}()" if name.strip("_") == "warehouse" else ""


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _is_in(module: str, units: Collection[str]) -> bool:
    return any(module == unit or module.startswith(f"{unit}.") for unit in units)
