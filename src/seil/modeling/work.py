"""One table of a build: staged beside the current one, then published or discarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from seil.modeling.model import Model
from seil.modeling.plan import WITHOUT_SCOPE, ModelPlan, Planner
from seil.modeling.restriction import restrict
from seil.modeling.select import runnable_select
from seil.warehouse.bookkeeping import BuiltVersion
from seil.warehouse.builds import RowChange, StagedBuild, keys_relation
from seil.warehouse.sql import SqlName, compose

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableEditor


@dataclass(eq=False)
class Work:
    """`without_scope`: the table has rows without a driving record, which changes cannot reach."""

    warehouse: Warehouse
    planner: Planner
    model: Model
    plan: ModelPlan
    without_scope: bool = False
    notes: tuple[str, ...] = ()
    staged: StagedBuild = field(init=False)

    def stage(self, relations: Mapping[str, str]) -> StagedBuild:
        """`relations` maps tables staged before to their staged relations.

        Raises ConfigurationError if the model reads a column that its source does not have, or
        uses a construct that the warehouse's dialect lacks.
        """
        builder, table = self.planner.builder, self.model.table
        if self.plan.mode == "unchanged":
            self.staged = StagedBuild(table, table.name, self.planner.count(table.name))
        elif self.plan.mode == "full":
            self.staged = builder.stage_table(table, self._select(relations))
            self.without_scope = self._lacks_scope(self.staged.relation)
        else:
            block, scope = self.planner.incremental_parts(self.model)
            keys = compose("SELECT k.scope FROM {keys} AS k", keys=SqlName(keys_relation(table)))
            select = self._select(relations, restrict(block, scope, keys))
            self.staged = builder.stage_change(table, select, scope=scope.output)
            self.without_scope = bool(self.change and self._lacks_scope(self.change.added))
        return self.staged

    @property
    def differs(self) -> bool:
        """Whether the table's rows change."""
        return self.plan.mode == "full" or bool(self.staged.deleted or self.staged.inserted)

    @property
    def change(self) -> RowChange | None:
        return self.staged.change if self.differs else None

    @property
    def is_staged(self) -> bool:
        return self.plan.mode != "unchanged"

    def describe(self, tables: TableEditor) -> None:
        """Stores the descriptions of a new table and its columns."""
        description = self.model.described
        texts = {c.name: c.description for c in description.columns if c.description}
        text = f"{description.description} {description.grain}".strip()
        tables.comment(self.model.table, text, texts)

    def fingerprint(self, built: Mapping[str, BuiltVersion]) -> str:
        """The fingerprint to compare before the next incremental build."""
        return WITHOUT_SCOPE if self.without_scope else self.planner.fingerprint(self.model, built)

    def _select(self, relations: Mapping[str, str], query: exp.Query | None = None) -> str:
        select = runnable_select(
            self.model,
            self.warehouse.dialect,
            sources=self.planner.models.sources,
            columns=self.planner.columns,
            relations=relations,
            zone=self.planner.zone,
            query=query,
        )
        self.notes = select.notes
        return select.sql

    def _lacks_scope(self, relation: str) -> bool:
        scope = self.planner.analysis(self.model).scope
        if scope is None:
            return False
        return bool(self.planner.count(relation, compose("{c} IS NULL", c=SqlName(scope.output))))
