"""One table being built: made under a working name, then put in its place or let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.modeling.model import Model
from seil.modeling.plan import WITHOUT_SCOPE, Planner, TablePlan, keys_table
from seil.modeling.reach import Scope
from seil.modeling.restriction import restricted
from seil.modeling.select import runnable_select
from seil.modeling.tests import ROW, RowChange
from seil.sf_to_dw.load.changes import Built
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, quoted, translated

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.protocol import Warehouse

# A row that is made as it was is in neither part, however often it is there. What is too many of
# is named by its rowid; what is missing has none.
_DIFFERENCE = """
    CREATE OR REPLACE TEMP TABLE {rows} AS
    SELECT {columns}, unnest(
        CASE WHEN _more > 0 THEN list_resize(CAST([] AS BIGINT[]), _more) ELSE _there[:-_more] END
    ) AS {row}
    FROM (
        SELECT {columns}, CAST(sum(_one) AS BIGINT) AS _more,
               list({row}) FILTER ({row} IS NOT NULL) AS _there
        FROM (
            SELECT {columns}, 1 AS _one, CAST(NULL AS BIGINT) AS {row} FROM {made}
            UNION ALL
            SELECT {columns}, -1, rowid FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})
        ) AS versions
        GROUP BY {columns} HAVING sum(_one) <> 0
    ) AS differing"""
_VIEW = """
    CREATE OR REPLACE TEMP VIEW {view} AS
    SELECT {columns} FROM {table} AS t ANTI JOIN {rows} AS r ON r.{row} = t.rowid
    UNION ALL SELECT {columns} FROM {rows} WHERE {row} IS NULL"""
_COUNTS = """
    SELECT (SELECT count(*) FROM {table}) AS before, count({row}) AS gone,
           count(*) - count({row}) AS new,
           count(*) FILTER ({row} IS NULL AND {scope} IS NULL) AS without_scope
    FROM {rows}"""


@dataclass(frozen=True)
class Made:
    rows: int
    deleted: int = 0
    inserted: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class Work:
    """A full build makes a table of its own. A change makes a table of the rows that differ, and a
    view that shows what the table will be.
    """

    warehouse: Warehouse
    planner: Planner
    model: Model
    plan: TablePlan
    without_scope: bool = False
    made: Made = Made(0)

    @property
    def differs(self) -> bool:
        """Whether the table will hold other rows than before."""
        return self.plan.mode == "full" or bool(self.made.deleted or self.made.inserted)

    @property
    def working(self) -> str:
        """The name under which the table can be read until the build ends."""
        return f"{self.model.name}__new" if self.differs else self.model.name

    @property
    def change(self) -> RowChange | None:
        is_followed = self.plan.mode == "incremental" and self.differs
        return RowChange(self._rows_name) if is_followed else None

    def make(self, working: Mapping[str, str]) -> Made:
        """`working` maps the tables made before it to the names they have now.

        Raises ConfigurationError when the model reads a column that nobody knows.
        """
        if self.plan.mode == "unchanged":
            self.made = Made(self._count(self._table))
        elif self.plan.mode == "full":
            self.made = self._made_anew(working)
        else:
            self.made = self._made_rows(working)
        return self.made

    def put_in_place(self) -> None:
        if self.plan.mode == "full":
            self.warehouse.rename(TableName("", self.working), self.model.name)
            self._describe()
        elif self.plan.mode == "incremental":
            names = self._names()
            if self.made.deleted:
                self._run("DELETE FROM {table} WHERE rowid IN (SELECT {row} FROM {rows})", **names)
            if self.made.inserted:
                insert = (
                    "INSERT INTO {table} ({columns}) "
                    "SELECT {columns} FROM {rows} WHERE {row} IS NULL"
                )
                self._run(insert, **names)
            self._drop_rows()

    def let_go(self) -> None:
        if self.plan.mode == "full":
            self.warehouse.drop(TableName("", self.working))
        elif self.plan.mode == "incremental":
            self._drop_rows()

    def fingerprint(self, built: Mapping[str, Built]) -> str:
        """What has to be the same for the next change to be followed."""
        return WITHOUT_SCOPE if self.without_scope else self.planner.fingerprint(self.model, built)

    def _made_anew(self, working: Mapping[str, str]) -> Made:
        select = runnable_select(
            self.model,
            self.warehouse.dialect,
            sources=self.planner.models.sources,
            columns=self.planner.columns,
            working=working,
            zone=self.planner.zone,
        )
        made = TableName("", self.working)
        rows = self.warehouse.replace(made, select.sql)
        if scope := self.planner.analysis(self.model).scope:
            self.without_scope = self._lacks(made, scope)
        return Made(rows, inserted=rows, notes=select.notes)

    def _made_rows(self, working: Mapping[str, str]) -> Made:
        keys = compose("SELECT k.scope FROM {keys} AS k", keys=Name(keys_table(self.model.name)))
        select = runnable_select(
            self.model,
            self.warehouse.dialect,
            sources=self.planner.models.sources,
            columns=self.planner.columns,
            working=working,
            zone=self.planner.zone,
            query=restricted(*self.planner.followed(self.model), keys),
        )
        names = self._names()
        # rowid numbers a table's rows until the transaction ends.
        self.warehouse.execute(
            translated(
                compose("CREATE OR REPLACE TEMP TABLE {made} AS ", **names), self.warehouse.dialect
            )
            + select.sql
        )
        self._run(_DIFFERENCE, **names)
        self._run("DROP TABLE {made}", **names)
        self._run("DROP TABLE {keys}", **names)
        self._run(_VIEW, **names)
        counted = self._query(_COUNTS, **names).to_pylist()[0]
        self.without_scope = bool(counted["without_scope"])
        deleted, inserted = int(counted["gone"]), int(counted["new"])
        return Made(counted["before"] - deleted + inserted, deleted, inserted, select.notes)

    def _describe(self) -> None:
        described = self.model.described
        texts = {c.name: c.description for c in described.columns if c.description}
        text = f"{described.description} {described.grain}".strip()
        self.warehouse.comment(self._table, text, texts)

    def _drop_rows(self) -> None:
        names = self._names()
        self._run("DROP VIEW {view}", **names)
        self._run("DROP TABLE {rows}", **names)

    def _names(self) -> dict[str, str | TableName]:
        known = self.planner.columns(self._table)
        columns = known.names if known is not None else []
        return {
            "table": self._table,
            "view": Name(f"{self.model.name}__new"),
            "made": Name(f"{self.model.name}__made"),
            "rows": Name(self._rows_name),
            "row": Name(ROW),
            "keys": Name(keys_table(self.model.name)),
            "scope": Name(self._scope.output),
            "columns": joined(", ", map(quoted, columns)),
        }

    @property
    def _table(self) -> TableName:
        return TableName("", self.model.name)

    @property
    def _rows_name(self) -> str:
        return f"{self.model.name}__rows"

    @property
    def _scope(self) -> Scope:
        return self.planner.followed(self.model)[1]

    def _lacks(self, table: TableName, scope: Scope) -> bool:
        return bool(self._count(table, compose("{name} IS NULL", name=Name(scope.output))))

    def _count(self, table: TableName, where: str = "true") -> int:
        found = self._query("SELECT count(*) AS n FROM {t} WHERE {w}", t=table, w=Sql(where))
        return int(found["n"][0].as_py())

    def _query(self, template: str, **names: str | TableName) -> pa.Table:
        return self.warehouse.query(translated(compose(template, **names), self.warehouse.dialect))

    def _run(self, template: str, **names: str | TableName) -> None:
        self.warehouse.execute(translated(compose(template, **names), self.warehouse.dialect))
