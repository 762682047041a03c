"""SQL expressions over records, evaluated by a DuckDB of their own whatever the warehouse is.

So a rule means the same on every site, and a delivery is judged while no warehouse is open. It is
text that somebody typed: it sees the record, and neither files, nor the network, nor the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from seil.sf_to_dw.ingest.casts import UnknownTypeError, default_type

if TYPE_CHECKING:
    import duckdb

    from seil.sf_to_dw.ingest.arrow import ArrowColumn

_RECORD = "record"


class Evaluation(NamedTuple):
    """An expression's values, one a record, and for which records it raised an error (true)."""

    values: ArrowColumn
    failed: ArrowColumn


class Expressions:
    """By name, to be evaluated on batches; closed at the end of the block."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._names = list(expressions)
        self._select = _select(
            *(part for text in expressions.values() for part in _value_and_failure(text))
        )
        self._database = _database()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def evaluate(self, batch: pa.RecordBatch) -> dict[str, Evaluation]:
        self._database.register(_RECORD, pa.Table.from_batches([batch]))
        table = self._database.execute(self._select).to_arrow_table()
        self._database.unregister(_RECORD)
        columns: list[ArrowColumn] = [column.combine_chunks() for column in table.columns]
        pairs = zip(columns[::2], columns[1::2], strict=True)
        return {name: Evaluation(*pair) for name, pair in zip(self._names, pairs, strict=True)}


class ExpressionCheck:
    """Of expressions over records of `schema`; closed at the end of the block.

    The database is opened for the first one: most objects have none, and it takes 15 ms and 20 MB.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._opened: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._opened:
            self._opened.close()

    def problem(self, expression: str, *, boolean: bool = False, single: bool = True) -> str:
        """Why it is not one expression per record; empty when it is. With `single`, text that is
        more than an expression is refused.
        """
        import duckdb

        try:
            if single:
                duckdb.SQLExpression(expression)
            result = self._database.execute(_select(_try_sql(expression))).to_arrow_table()
            kind = result.schema.field(0).type
            default_type(kind)
        except duckdb.Error as error:
            return str(error).strip().split("\n", 1)[0]
        except UnknownTypeError as error:
            return f"gives {error}, which cannot be kept"
        if boolean and not pa.types.is_boolean(kind):
            return f"gives {kind}, not a truth value"
        return ""

    @property
    def _database(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            self._opened = _database().register(_RECORD, self._schema.empty_table())
        return self._opened


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _select(*expressions: str) -> str:
    # Expressions come from the catalog, and all that they can reach is the record.
    return f"SELECT {', '.join(expressions)} FROM {_RECORD}"  # noqa: S608


def _try_sql(expression: str) -> str:
    # Under TRY, DuckDB refuses aggregates, windows, subqueries and random(): the record is left.
    # On lines of its own, so that a comment at its end does not swallow the bracket.
    return f"TRY((\n{expression}\n))"


def _value_and_failure(expression: str) -> tuple[str, str]:
    """An expression that raises an error is null under TRY, but `IS NOT NULL` of one never is."""
    is_value = f"(\n{expression}\n) IS NOT NULL"
    return _try_sql(expression), f"{_try_sql(is_value)} IS NULL"


def _database() -> duckdb.DuckDBPyConnection:
    import duckdb

    database = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "threads": "1",
        },
    )
    database.execute("SET TimeZone = 'UTC'")
    # It computes what several expressions share outside of their TRY, where it is not caught.
    database.execute("SET disabled_optimizers = 'common_subexpressions'")
    database.execute("SET lock_configuration = true")
    return database
