"""One table being built: made under a working name, then put in its place or let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.sf_to_dw.build_plan import WITHOUT_SCOPE, Planner, TablePlan, keys_table
from seil.sf_to_dw.build_select import runnable_select
from seil.sf_to_dw.build_tests import RowChange
from seil.sf_to_dw.changes import Built
from seil.sf_to_dw.model import Model
from seil.sf_to_dw.model_reach import Scope
from seil.sf_to_dw.model_restriction import restricted
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, quoted, translated

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class Made:
    rows: int
    deleted: int = 0
    inserted: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class Work:
    """A full build makes a table of its own. A change makes a table of new rows, and a view that
    shows what the table will be.
    """

    warehouse: Warehouse
    planner: Planner
    model: Model
    plan: TablePlan
    without_scope: bool = False

    @property
    def working(self) -> str:
        """The name under which the table can be read until the build ends."""
        return self.model.name if self.plan.mode == "unchanged" else f"{self.model.name}__new"

    @property
    def change(self) -> RowChange | None:
        if self.plan.mode != "incremental":
            return None
        return RowChange(self._scope.output, keys_table(self.model.name), self._rows_name)

    def make(self, working: Mapping[str, str]) -> Made:
        """`working` maps the tables made before it to the names they have now.

        Raises ConfigurationError when the model reads a column that nobody knows.
        """
        if self.plan.mode == "unchanged":
            return Made(self._count(self._table))
        if self.plan.mode == "full":
            return self._made_anew(working)
        return self._made_rows(working)

    def put_in_place(self) -> None:
        if self.plan.mode == "full":
            self.warehouse.rename(TableName("", self.working), self.model.name)
            self._describe()
        elif self.plan.mode == "incremental":
            names = self._names()
            self._run(
                "DELETE FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})",
                **names,
            )
            self._run("INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}", **names)
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
            query=restricted(*self.planner.followed(self.model), keys),
        )
        names = self._names()
        self._run("DROP VIEW IF EXISTS {view}", **names)
        self._run("DROP TABLE IF EXISTS {rows}", **names)
        self.warehouse.execute(
            translated(compose("CREATE TEMP TABLE {rows} AS ", **names), self.warehouse.dialect)
            + select.sql
        )
        self._run(
            "CREATE TEMP VIEW {view} AS SELECT {columns} FROM {table} AS t "
            "ANTI JOIN {keys} AS k ON k.scope = t.{scope} UNION ALL SELECT {columns} FROM {rows}",
            **names,
        )
        self.without_scope = self._lacks(TableName("", self._rows_name), self._scope)
        inserted = self._count(TableName("", self._rows_name))
        deleted = self._count(
            self._table, compose("{scope} IN (SELECT scope FROM {keys})", **names)
        )
        rows = self._count(self._table) - deleted + inserted
        return Made(rows, deleted, inserted, select.notes)

    def _describe(self) -> None:
        described = self.model.described
        texts = {c.name: c.description for c in described.columns if c.description}
        text = f"{described.description} {described.grain}".strip()
        self.warehouse.comment(self._table, text, texts)

    def _drop_rows(self) -> None:
        names = self._names()
        self._run("DROP VIEW {view}", **names)
        self._run("DROP TABLE {rows}", **names)
        self._run("DROP TABLE {keys}", **names)

    def _names(self) -> dict[str, str | TableName]:
        known = self.planner.columns(self._table)
        columns = known.names if known is not None else []
        return {
            "table": self._table,
            "view": Name(self.working),
            "rows": Name(self._rows_name),
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
        counted = compose("SELECT count(*) AS n FROM {t} WHERE {w}", t=table, w=Sql(where))
        found = self.warehouse.query(translated(counted, self.warehouse.dialect))
        return int(found["n"][0].as_py())

    def _run(self, template: str, **names: str | TableName) -> None:
        self.warehouse.execute(translated(compose(template, **names), self.warehouse.dialect))
