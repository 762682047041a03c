"""The three-way diff of the query, the org's mirror and the values that were written last.

Runs on an embedded DuckDB, whatever the warehouse, which is only read. Of the records only those
that may differ are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from seil.arrow_memory import without_read_ahead
from seil.dw_to_sf.database import bounded_database
from seil.dw_to_sf.definition import PushDefinition, PushField
from seil.dw_to_sf.values import compared, plain, problem, stored
from seil.errors import ConfigurationError, Problem
from seil.salesforce.writes.rules import FieldRule
from seil.warehouse.sql import Sql, compose, join, literal, quote

if TYPE_CHECKING:
    import duckdb

_SHOWN = 3
_KEY = FieldRule("Id", "id")
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"
_DELETIONS = Sql(
    "SELECT key, record_id, parent, '' AS field, NULL AS old, NULL AS new, NULL AS last, "
    "'ours' AS verdict, record_problem IS NULL AS write, record_problem AS problem FROM compared"
)
# A new record gets every value, whoever owns the field.
_CHANGES = """
SELECT changes.key, record_id, parent, changes.field, old, new, last.value AS last,
    CASE WHEN last.key IS NULL OR old IS NOT DISTINCT FROM last.value THEN 'ours'
         WHEN new IS NOT DISTINCT FROM last.value THEN 'theirs'
         ELSE 'conflict' END AS verdict,
    count(problem) OVER (PARTITION BY changes.key) = 0
        AND (record_id IS NULL OR owner = 'ours' OR (owner = 'if_empty' AND old IS NULL)) AS write,
    problem
FROM ({changes}) AS changes
LEFT JOIN last ON last.key = changes.key AND last.field = changes.field
"""
_HOLD_BACK = """
UPDATE plan SET write = false, held = true, problem = held_back.reason
FROM (
    SELECT key, reason || {again} || strftime(
        CAST(rejected_at AS TIMESTAMP) + to_microseconds({pause}), '%Y-%m-%d %H:%M UTC'
    ) AS reason
    FROM (
        SELECT key, any_value(reason) AS reason, max(changed_at) AS rejected_at, count(*) AS sent
        FROM rejected WHERE changed_at > {since} GROUP BY key
    )
    JOIN (
        SELECT plan.key, count(*) AS writes, count(rejected.key) AS same
        FROM plan LEFT JOIN rejected ON plan.key = rejected.key
            AND plan.field = rejected.field
            AND plan.new IS NOT DISTINCT FROM rejected.value
            AND plan.old IS NOT DISTINCT FROM rejected.before
        WHERE plan.write GROUP BY plan.key
    ) USING (key)
    WHERE {is_same}
) AS held_back
WHERE plan.key = held_back.key AND plan.write
"""
_COUNTS = """
WITH records AS (
    SELECT key, bool_or(write) AS write, any_value(record_id) AS record_id,
        count(problem) > 0 AND NOT bool_or(held) AS refused, bool_or(held) AS held
    FROM plan GROUP BY key
)
SELECT (SELECT count(*) FROM desired) AS records,
    (SELECT count(*) FROM desired) - count(*) AS same,
    count(*) FILTER (write AND record_id IS NOT NULL) AS changed,
    count(*) FILTER (write AND record_id IS NULL) AS new,
    (SELECT count(*) FROM candidates WHERE record_id IS NULL) AS missing,
    count(*) FILTER (refused) AS refused,
    coalesce(sum(length(key)) FILTER (write AND record_id IS NULL), 0)::BIGINT
        AS new_key_characters,
    count(*) FILTER (held) AS held
FROM records
"""


@dataclass(frozen=True)
class DiffCounts:
    """Counts of records; `fields` counts values by verdict.

    `records` are the query's, `mirrored` the mirror's, `missing` the query's that the mirror lacks.
    `held` records were rejected before and are not sent again yet. `new_key_characters` is the
    length of all keys of new records.
    """

    records: int
    same: int
    changed: int
    new: int
    missing: int
    refused: int
    mirrored: int
    fields: Mapping[str, int]
    new_key_characters: int = 0
    held: int = 0


class Diff:
    """One plan's database. Call the `take_` methods, then `compare`, then `write`."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        definition: PushDefinition,
        key: FieldRule,
        rules: Mapping[str, FieldRule],
    ) -> None:
        self._database = database
        self._definition = definition
        self._key = key
        self._rules = rules
        self._types: dict[str, pa.DataType] = {}
        self._mirrored = 0

    @classmethod
    @contextmanager
    def open(
        cls, definition: PushDefinition, key: FieldRule, rules: Mapping[str, FieldRule]
    ) -> Iterator[Self]:
        with bounded_database([key, *rules.values()]) as database:
            yield cls(database, definition, key, rules)

    def take_desired(self, rows: pa.RecordBatchReader) -> None:
        """The query's rows. Raises ConfigurationError for null and for duplicate keys."""
        columns = {field.column for field in self._definition.fields.values()}
        columns |= {self._definition.parent} - {""}
        chosen = [f"{quote(name)} AS {quote('v ' + name)}" for name in sorted(columns)]
        self._types |= {f"v {name}": rows.schema.field(name).type for name in columns}
        key = stored(self._key, quote(self._definition.source_key))
        columns_sql = join(", ", [f"{key} AS key", *chosen])
        self._run(
            compose("CREATE TABLE desired AS SELECT {columns} FROM input", columns=columns_sql),
            rows,
        )
        self._refuse_keys("key IS NULL", "rows without a key")
        self._refuse_keys("true", "keys that are there twice", "GROUP BY key HAVING count(*) > 1")

    def take_mirror(self, rows: pa.RecordBatchReader) -> None:
        """The object's records as last read; columns as `mirror_columns` names them."""
        self._types |= {f"m {name}": rows.schema.field(name.lower()).type for name in self._rules}
        key = stored(self._key, quote(self._key.name.lower()))
        fields = [f"{quote(name.lower())} AS {quote('m ' + name)}" for name in self._rules]
        may_differ = ["record_id IS NULL", *map(self._is_unlike, self._rules)]
        statement = compose(
            "CREATE TABLE candidates AS SELECT * FROM desired "
            "LEFT JOIN (SELECT {columns} FROM input) USING (key) WHERE {may_differ}",
            columns=join(", ", [f"{key} AS key", '"id" AS record_id', *fields]),
            may_differ=join(" OR ", may_differ if self._rules else ["true"]),
        )
        self._run(statement, self._count_mirrored(rows))

    def _count_mirrored(self, rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for batch in rows:
                self._mirrored += batch.num_rows
                yield batch

        return pa.RecordBatchReader.from_batches(rows.schema, batches())

    def take_last(self, rows: pa.RecordBatchReader) -> None:
        """The values that were written: rows of key, field, value, changed_at."""
        self._run(Sql("CREATE TABLE written AS FROM input"), rows)
        self._database.execute(
            "CREATE TABLE last AS SELECT key, field, arg_max_null(value, changed_at) AS value "
            "FROM written GROUP BY key, field"
        )

    def take_rejected(self, rows: pa.RecordBatchReader) -> None:
        """What was rejected and is still open: rows of key, field, value, before, changed_at and
        reason, all text.
        """
        self._run(Sql("CREATE TABLE rejected AS FROM input"), rows)

    def compare(self, *, now: datetime) -> DiffCounts:
        """Makes the plan, one row per differing value."""
        self._database.execute(compose("CREATE TABLE compared AS {rows}", rows=self._compared()))
        plan = compose(
            "CREATE TABLE plan AS SELECT *, false AS held FROM ({rows})", rows=self._plan()
        )
        self._database.execute(plan)
        if self._definition.retry.when != "each_run":
            self._hold_back(now)
        return self._counts()

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Writes the plan as a Parquet file."""
        pairs = ", ".join(f"{literal(name)}: {literal(value)}" for name, value in metadata.items())
        self._database.execute(
            "COPY (FROM plan ORDER BY parent NULLS LAST, key, field) "
            f"TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{pairs}}})"
        )

    def _hold_back(self, now: datetime) -> None:
        """Marks records that were rejected less than the policy's pause ago; with `changed`, only
        those of which neither the row nor the record has changed.
        """
        retry = self._definition.retry
        on_change = retry.when == "changed"
        statement = compose(
            _HOLD_BACK,
            since=(now - retry.pause).astimezone(UTC).strftime(_STAMP),
            pause=retry.pause // timedelta(microseconds=1),
            again="; sent again when it changes, or from " if on_change else "; sent again from ",
            is_same=Sql("writes = same AND same = sent" if on_change else "true"),
        )
        self._database.execute(statement)

    def _run(self, statement: Sql, rows: pa.RecordBatchReader) -> None:
        """`statement` reads `rows` as the table `input`."""
        self._database.register("input", without_read_ahead(rows))
        self._database.execute(statement)
        self._database.unregister("input")

    def _refuse_keys(self, condition: str, what: str, group: str = "") -> None:
        sql = compose(
            "SELECT count(*), min(key), max(key) FROM ("
            "SELECT CAST(key AS VARCHAR) AS key FROM desired WHERE {condition} {group})",
            condition=Sql(condition),
            group=Sql(group),
        )
        rows = self._database.execute(sql)
        count, *examples = rows.fetchone() or (0,)
        if count:
            listing = ", ".join(dict.fromkeys(filter(None, examples)))
            reason = f"gives {count:,} {what}" + (f", such as {listing}" if listing else "")
            place = f"push {self._definition.name}: query"
            raise ConfigurationError([Problem(place, reason, "give each record one row")])

    def _compared(self) -> Sql:
        """One row per differing record: for each field the new value as stored and as the query
        gives it, the old one, the problem.
        """
        parent = quote("v " + self._definition.parent) if self._definition.parent else "NULL"
        clears = self._definition.nulls == "clear"
        columns = ["key", "record_id", f"CAST({parent} AS VARCHAR) AS parent"]
        columns.append(f"{self._record_problem()} AS record_problem")
        for name, rule in self._rules.items():
            value = quote("v " + self._definition.fields[name].column)
            columns += [
                f"{stored(rule, value)} AS {quote('new ' + name)}",
                f"{stored(rule, quote('m ' + name))} AS {quote('old ' + name)}",
                f"{problem(rule, value, clears=clears)} AS {quote('bad ' + name)}",
                f"{value} AS {quote('raw ' + name)}",
            ]
        return compose(
            "FROM (SELECT {columns} FROM candidates) WHERE {differing}",
            columns=join(", ", columns),
            differing=join(" OR ", [*map(self._differs, self._rules)] or ["true"]),
        )

    def _is_unlike(self, name: str) -> str:
        """Whether the two values may differ: cheap, and false for equal ones of the same type.

        A value that the record has already is not checked further: it is not sent.
        """
        column = self._definition.fields[name].column
        value, old = quote(f"v {column}"), quote(f"m {name}")
        if self._types[f"v {column}"] == self._types[f"m {name}"]:
            return f"{value} IS DISTINCT FROM {old}"
        new = stored(self._rules[name], value)
        differs = f"{new} IS DISTINCT FROM {stored(self._rules[name], old)}"
        return f"({differs} OR ({new} IS NULL AND {value} IS NOT NULL))"

    def _differs(self, name: str) -> str:
        """True also for a value that the field cannot hold."""
        rule = self._rules[name]
        old, new, bad = (quote(f"{kind} {name}") for kind in ("old", "new", "bad"))
        differs = f"{compared(rule, new)} IS DISTINCT FROM {compared(rule, old)}"
        if self._definition.nulls == "leave":
            differs = f"{new} IS NOT NULL AND {differs}"
        return f"(({differs}) OR {bad} IS NOT NULL)"

    def _plan(self) -> Sql:
        """One row per differing value; for a deletion one row per record, without a field.

        A record with any value that Salesforce would refuse is not written at all.
        """
        if self._definition.operation == "delete":
            return _DELETIONS
        parts = [self._differing(name, self._definition.fields[name]) for name in self._rules]
        return compose(_CHANGES, changes=join(" UNION ALL ", parts))

    def _differing(self, name: str, field: PushField) -> Sql:
        rule = self._rules[name]
        old, new, bad, raw = (quote(f"{kind} {name}") for kind in ("old", "new", "bad", "raw"))
        return compose(
            "SELECT key, record_id, parent, {name} AS field, {old} AS old, "
            "CASE WHEN {bad} IS NULL THEN {new} ELSE {plain} END AS new, {owner} AS owner, "
            "coalesce({bad}, record_problem) AS problem FROM compared WHERE {differs}",
            name=rule.name,
            owner=field.owner,
            old=old,
            new=new,
            bad=bad,
            plain=Sql(plain(rule, raw)),
            differs=Sql(self._differs(name)),
        )

    def _record_problem(self) -> str:
        """SQL for why no value of the record can be written; null if some can."""
        if self._definition.operation in ("update", "delete"):
            return "CASE WHEN record_id IS NULL THEN 'the mirror has no such record' END"
        bad_key = (
            f"{literal(f'key {self._key.name}: ')} || {problem(self._key, 'key', clears=False)}"
        )
        if self._definition.operation == "upsert":
            return bad_key
        exists = "CASE WHEN record_id IS NOT NULL THEN 'the object has a record of this key' END"
        return f"coalesce({exists}, {bad_key})"

    def _counts(self) -> DiffCounts:
        (counts,) = self._database.execute(_COUNTS).to_arrow_table().to_pylist()
        verdicts = self._database.execute(
            "SELECT CASE WHEN held THEN 'held' WHEN problem IS NULL THEN verdict "
            "ELSE 'refused' END AS verdict, count(*) "
            "FROM plan GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return DiffCounts(**counts, mirrored=self._mirrored, fields=dict(verdicts))


def mirror_columns(key: FieldRule, rules: Mapping[str, FieldRule]) -> Sequence[str]:
    """The columns that `take_mirror` expects, in lower case."""
    return list(dict.fromkeys(["id", key.name.lower(), *(name.lower() for name in rules)]))
