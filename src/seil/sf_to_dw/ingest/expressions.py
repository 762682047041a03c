"""SQL expressions over records, evaluated by an embedded DuckDB whatever the warehouse is.

So a rule means the same on every site, and needs no open warehouse. Expressions are user input:
they reach the record, and neither files, nor the network, nor the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from seil.sf_to_dw.ingest.column_types import UnknownTypeError, default_type

if TYPE_CHECKING:
    import duckdb

    from seil.sf_to_dw.ingest.arrow import ArrowColumn

_RECORD = "record"


class Evaluation(NamedTuple):
    """One value per record, and whether the expression raised an error for it."""

    values: ArrowColumn
    failed: ArrowColumn


class Expressions:
    """Expressions by name, evaluated on batches. To be closed."""

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._names = list(expressions)
        self._select = _select(
            *(part for text in expressions.values() for part in _value_and_failure(text))
        )
        self._database = _database()

    def close(self) -> None:
        self._database.close()

    def evaluate(self, batch: pa.RecordBatch) -> dict[str, Evaluation]:
        self._database.register(_RECORD, pa.Table.from_batches([batch]))
        table = self._database.execute(self._select).to_arrow_table()
        self._database.unregister(_RECORD)
        columns: list[ArrowColumn] = [column.combine_chunks() for column in table.columns]
        pairs = zip(columns[::2], columns[1::2], strict=True)
        return {name: Evaluation(*pair) for name, pair in zip(self._names, pairs, strict=True)}


class ExpressionCheck:
    """Checks expressions over records of `schema`. To be closed.

    Opens its database at the first check: it takes 15 ms and 20 MB, and most objects have none.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._opened: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        if self._opened:
            self._opened.close()

    def problem(self, expression: str, *, boolean: bool = False, single: bool = True) -> str:
        """Why it cannot be evaluated once per record; empty where it can. `single` also refuses
        text that is more than one expression.
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
    # The database has nothing but the record for the catalog's expressions to reach.
    return f"SELECT {', '.join(expressions)} FROM {_RECORD}"  # noqa: S608


def _try_sql(expression: str) -> str:
    # Under TRY, DuckDB refuses aggregates, windows, subqueries and random(). The line breaks keep a
    # comment at the end of the expression from swallowing the bracket.
    return f"TRY((\n{expression}\n))"


def _value_and_failure(expression: str) -> tuple[str, str]:
    """Under TRY an error is null, and `IS NOT NULL` is null only where its operand has an error."""
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
    # That optimizer hoists shared parts of expressions out of TRY, where their errors are raised.
    database.execute("SET disabled_optimizers = 'common_subexpressions'")
    database.execute("SET lock_configuration = true")
    return database
