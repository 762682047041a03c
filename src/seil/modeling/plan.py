"""Plans how each table is built: unchanged, incremental or full, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Literal

from seil.modeling.blocks import ModelBlock, UnanalysableError, VolatileError, model_block
from seil.modeling.business_date import BusinessZone, is_date
from seil.modeling.model import Model, Models
from seil.modeling.reach import Reach, Scope, model_scope
from seil.modeling.select import Columns, referenced_columns, source_types
from seil.warehouse.bookkeeping import IS_OLD, SEQUENCE, BuiltVersion, Change, images
from seil.warehouse.dialect import render
from seil.warehouse.sql import Sql, SqlName, compose, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.builds import Builder
    from seil.warehouse.protocol import Warehouse

BuildMode = Literal["full", "incremental", "unchanged"]

# Increase it when a change of the build requires a full build of all tables.
_BUILD_VERSION = "1"
WITHOUT_SCOPE = "without scope"
_FULL_SHARE = 0.3
_FULL_ROWS = 20_000
_EVERY = Sql("true")


@dataclass(frozen=True)
class SourceChange:
    """Changes of a source that a table does not include yet."""

    source: TableName
    rows: int

    def __str__(self) -> str:
        return f"{self.source}: {self.rows:,} changed"


@dataclass(frozen=True)
class ModelPlan:
    """`keys` is the number of affected driving records, None if not computed."""

    table: str
    mode: BuildMode
    reason: str = ""
    changed: tuple[SourceChange, ...] = ()
    keys: int | None = None


@dataclass(frozen=True)
class Analysis:
    """Whether changes can be followed through a model; `obstacle` is why they cannot."""

    block: ModelBlock | None
    scope: Scope | None
    obstacle: str = ""
    is_volatile: bool = False


@dataclass
class Planner:
    """Plans the tables of one build, within its commit."""

    warehouse: Warehouse
    builder: Builder
    models: Models
    columns: Columns
    changes: Sequence[Change]
    built: Mapping[str, BuiltVersion]
    zone: BusinessZone
    full: bool = False
    full_for: Mapping[str, str] = field(default_factory=dict)
    _analyses: dict[str, Analysis] = field(default_factory=dict)

    def plan(self, model: Model, upstream: Mapping[str, BuildMode]) -> ModelPlan:
        """Stores the affected keys with `hold_keys` if the plan is incremental.

        `upstream` are the modes of the tables that this build stages before it.
        """
        changed = tuple(self._source_changes(model))
        if reason := self._reason(model, upstream):
            return ModelPlan(model.name, "full", reason, changed)
        if not changed:
            return ModelPlan(model.name, "unchanged", "nothing it reads has changed")
        try:
            keys = self._keys(model, [change.source for change in changed])
        except UnanalysableError as error:
            return ModelPlan(model.name, "full", f"cannot follow the changes: {error}", changed)
        if keys > max(_FULL_ROWS, _FULL_SHARE * self.count(model.name)):
            reason = f"{keys:,} driving records are affected"
            return ModelPlan(model.name, "full", reason, changed, keys)
        if not keys:
            reason = "no row can have changed"
            return ModelPlan(model.name, "unchanged", reason, changed, keys)
        return ModelPlan(model.name, "incremental", "", changed, keys)

    def analysis(self, model: Model) -> Analysis:
        if model.name not in self._analyses:
            self._analyses[model.name] = self._analyse(model)
        return self._analyses[model.name]

    def incremental_parts(self, model: Model) -> tuple[ModelBlock, Scope]:
        """Raises UnanalysableError when changes cannot be followed through the model."""
        analysis = self.analysis(model)
        if analysis.block is None or analysis.scope is None:
            raise UnanalysableError(analysis.obstacle)
        return analysis.block, analysis.scope

    def fingerprint(self, model: Model, built: Mapping[str, BuiltVersion]) -> str:
        """Changes with the model, its inputs and their types; `built` are the other models' tables.
        Ends with the time zone where the table depends on it.
        """
        inputs = [_BUILD_VERSION, model.sql, model.described.model_dump_json()]
        for name in sorted(self.models.upstream(model.name)):
            inputs += [name, built[name].version if name in built else ""]
        for source, names in sorted(self.source_columns(model).items()):
            schema = self.columns(source)
            stored = set(schema.names) if schema is not None else set()
            types = [
                f"{name} {schema.field(name).type if schema is not None and name in stored else ''}"
                for name in sorted(names)
            ]
            inputs += [str(source), str(schema is None), *types]
        digest = hashlib.sha256("\n".join(inputs).encode()).hexdigest()
        return f"{digest} {self.zone.name}" if self._depends_on_zone(model) else digest

    def source_columns(self, model: Model) -> dict[TableName, frozenset[str]]:
        """The columns that a model reads of each source table."""
        read = dict(referenced_columns(model.sql))
        for source, names in read.items():
            if "*" in names or self.analysis(model).obstacle:
                schema = self.columns(source)
                read[source] = names.union(schema.names if schema is not None else ())
        return read

    def _depends_on_zone(self, model: Model) -> bool:
        """False if every business date is of a date column in this org.

        Runs in every build, so it compares names only; it may return True needlessly.
        """
        type_of = source_types(self.models.sources, self.columns)
        read = referenced_columns(model.sql)

        def is_day(name: str) -> bool:
            types = [type_of(source, name) for source, names in read.items() if name in names]
            return bool(types) and all(map(is_date, types))

        return not all(map(is_day, model.cut_columns))

    @cached_property
    def _source_keys(self) -> dict[TableName, str]:
        return {table: source.key for table, source in self.models.sources.items()}

    def _analyse(self, model: Model) -> Analysis:
        try:
            block = model_block(model.sql)
            scope = model_scope(block, self._source_keys, model.described.key)
        except UnanalysableError as error:
            return Analysis(None, None, str(error), is_volatile=isinstance(error, VolatileError))
        return Analysis(block, scope)

    def _reason(self, model: Model, upstream: Mapping[str, BuildMode]) -> str:
        """Why the table needs a full build, whatever has changed; empty if it does not."""
        built = self.built.get(model.name)
        if self.full:
            return "asked for"
        if reason := self.full_for.get(model.name):
            return f"row by row it failed: {reason}"
        if built is None or self.columns(model.table) is None:
            return "it has not been built"
        return self._outdated_reason(model, built) or self._full_build_reason(model, upstream)

    def _outdated_reason(self, model: Model, built: BuiltVersion) -> str:
        if built.fingerprint == WITHOUT_SCOPE:
            return "it has rows without a driving record"
        if built.fingerprint != (current := self.fingerprint(model, self.built)):
            return _difference(built.fingerprint, current)
        follows = self.warehouse.traits.follows_changes
        whole = {str(c.source) for c in self._pending_changes(model) if c.is_whole or not follows}
        return f"much of {', '.join(sorted(whole))} has changed" if whole else ""

    def _full_build_reason(self, model: Model, upstream: Mapping[str, BuildMode]) -> str:
        reads = self.models.upstream(model.name)
        if changing := sorted(
            name for name in reads if upstream.get(name, "unchanged") != "unchanged"
        ):
            return f"it reads {', '.join(changing)}"
        analysis = self.analysis(model)
        if analysis.is_volatile or (analysis.obstacle and self._pending_changes(model)):
            return f"cannot follow changes: {analysis.obstacle}"
        return ""

    def _pending_changes(self, model: Model) -> list[Change]:
        built = self.built.get(model.name)
        last = built.sequence if built else 0
        return [c for c in self.changes if c.sequence > last and c.source in model.reads]

    def _source_changes(self, model: Model) -> list[SourceChange]:
        rows: dict[TableName, int] = {}
        for change in self._pending_changes(model):
            rows[change.source] = rows.get(change.source, 0) + change.rows
        return [SourceChange(source, number) for source, number in sorted(rows.items())]

    def _keys(self, model: Model, sources: Sequence[TableName]) -> int:
        """Stores the affected values of the scope; returns their number."""
        block, scope = self.incremental_parts(model)
        read = self.source_columns(model)

        def changed(source: TableName) -> Sql:
            return self._changed_records(model, source, read[source])

        def has(source: TableName, column: str) -> bool:
            schema = self.columns(source)
            return schema is not None and column in schema.names

        select = Reach(changed, has).keys(block, scope, sources)
        if select is None:
            return 0
        rendered = render(select, self.warehouse.dialect, place=model.file)
        return self.builder.hold_keys(model.table, rendered)

    def _changed_records(self, model: Model, source: TableName, read: frozenset[str]) -> Sql:
        """Changed records, before and after, that differ in a column that is read.

        Omits intermediate versions, and records that changed back.
        """
        key = self._source_keys[source]
        schema = self.columns(images(source))
        names = sorted(set(schema.names if schema is not None else ()) & (read | {key}))
        changes = [change for change in self._pending_changes(model) if change.source == source]
        first_and_last = """
            QUALIFY {sequence} = CASE WHEN {is_old}
                THEN min({sequence}) OVER (PARTITION BY {key})
                ELSE max({sequence}) OVER (PARTITION BY {key}) END"""
        ends = compose(
            first_and_last if len(changes) > 1 else "",
            key=SqlName(key),
            sequence=SqlName(SEQUENCE),
            is_old=SqlName(IS_OLD),
        )
        return compose(
            """
            SELECT {columns} FROM (
                SELECT {columns} FROM {images} WHERE {sequence} >= {first} {ends}
            ) AS c GROUP BY {columns} HAVING count(*) = 1""",
            columns=join(", ", map(quote, names)),
            images=images(source),
            sequence=SqlName(SEQUENCE),
            first=min(change.sequence for change in changes),
            ends=ends,
        )

    def count(self, relation: str, where: Sql = _EVERY) -> int:
        select = compose("SELECT count(*) AS n FROM {t} WHERE {w}", t=SqlName(relation), w=where)
        rows = self.warehouse.query(render(select, self.warehouse.dialect))
        return int(rows["n"][0].as_py())


def new_planner(
    warehouse: Warehouse,
    builder: Builder,
    models: Models,
    *,
    full: bool = False,
    full_for: Mapping[str, str] | None = None,
) -> Planner:
    """`full_for` are tables that need a full build, with the reason."""
    return Planner(
        warehouse,
        builder,
        models,
        columns=cache(warehouse.columns),
        changes=warehouse.bookkeeping.changes(),
        built=warehouse.bookkeeping.built_versions(),
        zone=models.zone(),
        full=full,
        full_for=full_for or {},
    )


def _difference(before: str, after: str) -> str:
    """Between two fingerprints."""
    (old, _, old_zone), (new, _, new_zone) = before.partition(" "), after.partition(" ")
    if old == new:
        return f"its days were cut in {old_zone}, and are in {new_zone} now"
    return "its model, or something that it reads, is not what it was"
