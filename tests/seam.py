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

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from tests.imports import ImportedName, imported_names

from seil.warehouse.engines import ENGINES as ENTRIES

# Packages and modules, by the first names of their path.
ENGINES = ("seil.warehouse",)
SQL_MODELS = ("seil.modeling",)
# Stores of their own, each with its SQL in a module or package of its own.
SQLITE_STORES = (
    "seil.api.services.request_file",
    "seil.events.dispatch_state",
    "seil.events.journal",
    "seil.events.journal_file",
    "seil.sandbox",
    "seil.sqlite_file",
    "seil.state",
)
# The state may lie on a server.
SERVER_STORES = ("seil.postgres_server", "seil.state")
# Record rules are DuckDB expressions whatever the warehouse is, and a push's plan and checks are
# made by one, as are the files of published tables; the stand-in for Salesforce keeps its records
# in a DuckDB of its own.
DUCKDB_USERS = (
    "seil.warehouse.duckdb",
    "seil.iceberg",
    "seil.sf_to_dw.ingest.expressions",
    "seil.dw_to_sf.apply",
    "seil.dw_to_sf.database",
    "seil.dw_to_sf.diff",
    "seil.dw_to_sf.plan_rows",
    "seil.dw_to_sf.values",
    "seil.sandbox",
)
# The default of `[warehouse] url`, and the demo's; the state may be in PostgreSQL, too.
URL_WRITERS = ("seil.postgres_server", "seil.settings.storage", "seil.cli.demo", "seil.state")
# SOQL reads like SQL.
SOQL = (
    "seil.salesforce",
    "seil.sf_to_dw.extract.by_id",
    "seil.sf_to_dw.extract.slices",
    "seil.gam_to_sf.statuses",
    "seil.gam_to_sf.usages",
    "seil.sf_to_t1.jobs",
)
# Statements shown to a person: the demo's query, and DuckDB's command in a message.
SHOWN = ("seil.cli.demo", "seil.sf_to_dw.ingest.folders")

# What takes SQL text, and who may call or pass on a thing of that name: other modules get a
# warehouse as `seil.warehouse.Warehouse`, whose type has no other way to a connection.
_EMBEDDED = (*ENGINES, *SQLITE_STORES, *DUCKDB_USERS)
TAKERS: dict[str, Collection[str]] = {
    "execute": _EMBEDDED,
    "executemany": _EMBEDDED,
    "executescript": _EMBEDDED,
    "query": (
        *ENGINES,
        *SQL_MODELS,
        *SOQL,
        "seil.app.queries",  # a person's SELECT
        "seil.dw_to_sf.plan",  # the SELECT of a push's definition
        "seil.sandbox",
        "seil.postgres_server",  # a part of a URL
        "seil.settings",  # the same
        "seil.state",
    ),
    "stream": (
        *ENGINES,
        *SQL_MODELS,
        *SOQL,
        "seil.api.keys",  # of httpx
        "seil.app.queries",
        "seil.sandbox",
        "seil.state",
        "seil.techone.warehouse",  # of httpx
    ),
}

_CLAUSE = re.compile(
    r"""\b(
        SELECT\s | FROM\s | JOIN\s | WHERE\s | VALUES\s*[(] | HAVING\s | (GROUP|ORDER)\s+BY\s
        | UNION\s | INSERT\s | UPDATE\s+\S+\s+(AS\s|SET\s) | DELETE\s+FROM\s | MERGE\s+INTO\s
        | TRUNCATE\s
        | (CREATE|ALTER|DROP)\s+(OR|TABLE|VIEW|SCHEMA|TEMP|UNIQUE|INDEX|SEQUENCE|MACRO)\b
        | COPY\s.*\s(TO|FROM)\s | COMMENT\s+ON\s | PRAGMA\s | ATTACH\s | CHECKPOINT\b
    )""",
    re.VERBOSE | re.DOTALL,
)
_BEGINNING = re.compile(
    r"[\s(]*(select|with|insert|update|delete|merge|create|alter|drop|truncate|from|values)\b",
    re.IGNORECASE,
)
# The fields of a template, as a name that can stand for a table, a column or a value.
_FIELD = re.compile(r"\{\w*\}")
# An engine's scheme, alone or before the rest of a URL.
_SCHEME = re.compile(rf"\A({'|'.join(ENTRIES)})\Z|(?<![\w.])({'|'.join(ENTRIES)}):")


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
    for imported in imported_names(tree, module, is_package=False):
        for what in _wrong_import(module, imported):
            yield getattr(imported.node, "lineno", 0), what
    for node in ast.walk(tree):
        if (name := _taker(node)) and not _is_in(module, TAKERS[name]):
            yield getattr(node, "lineno", 0), f"reaches for {name}()"
    for line, text in _texts(tree):
        yield from ((line, what) for what in _wrong_texts(module, text))


def _wrong_texts(module: str, text: str) -> Iterator[str]:
    excerpt = " ".join(text.split())[:40]
    if not _is_in(
        module, (*ENGINES, *SQL_MODELS, *SQLITE_STORES, *DUCKDB_USERS, *SOQL, *SHOWN)
    ) and is_sql(text):
        yield f"SQL: {excerpt}"
    if _SCHEME.search(text) and not _is_in(module, (*ENGINES, *URL_WRITERS)):
        yield f"the scheme of an engine: {excerpt}"


def is_sql(text: str) -> bool:
    """In capitals a clause is enough; in other letters it must parse, as prose does not."""
    if _CLAUSE.search(text):
        return True
    if not _BEGINNING.match(text):
        return False
    try:
        statements = sqlglot.parse(_FIELD.sub("x", text), read="duckdb")
    except SqlglotError:
        return False
    return any(isinstance(one, exp.Query | exp.DML | exp.DDL | _CHANGES) for one in statements)


_CHANGES = exp.Drop | exp.Alter | exp.Merge | exp.TruncateTable


def _wrong_import(module: str, imported: ImportedName) -> Iterator[str]:
    allowed: dict[str, Collection[str]] = {
        # A scheme of engines is the name of its driver.
        "duckdb": (*DUCKDB_USERS, "seil.warehouse.engines"),
        "sqlglot": (*ENGINES, *SQL_MODELS),
        "sqlite3": SQLITE_STORES,
        "psycopg": (*ENGINES, *SERVER_STORES),
        "adbc_driver_manager": ENGINES,
        "adbc_driver_postgresql": ENGINES,
        "pyiceberg": (*ENGINES, "seil.iceberg"),
        "pyspark": ENGINES,
        "seil.warehouse.duckdb": ENGINES,
        "seil.warehouse.sql": (*ENGINES, *SQL_MODELS, *DUCKDB_USERS),
    }
    names = [imported.module, f"{imported.module}.{imported.name}"]
    for module_, importers in allowed.items():
        if any(_is_in(name, [module_]) for name in names) and not _is_in(module, importers):
            yield f"imports {module_}"


def _taker(node: ast.AST) -> str:
    """The attribute that `node` takes of anything, where it is one of `TAKERS`."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr if node.attr in TAKERS else ""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr":
        name = getattr(node.args[1], "value", "")
        return name if name in TAKERS else ""
    return ""


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each whole text but docstrings: f-strings and sums with {} for what is not constant."""
    read = {id(text) for text in _docstrings(tree)}
    for node in ast.walk(tree):
        if id(node) not in read and (text := _text(node)) is not None:
            read.update(map(id, ast.walk(node)))
            yield getattr(node, "lineno", 0), text


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [_text(node.left), _text(node.right)]
        return None if parts == [None, None] else "".join(part or "{}" for part in parts)
    return None


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _is_in(module: str, units: Collection[str]) -> bool:
    return any(module == unit or module.startswith(f"{unit}.") for unit in units)
