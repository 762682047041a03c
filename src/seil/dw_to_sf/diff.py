"""The three-way diff of the query, the org's mirror and the values that were written last.

Runs on an embedded DuckDB in a temporary file, whatever the warehouse: memory is bounded, and the
warehouse is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from seil.dw_to_sf.definition import PushDefinition, PushField
from seil.dw_to_sf.values import compared, plain, problem, quoted, stored, text
from seil.errors import ConfigurationError, Problem
from seil.salesforce.writes.rules import FieldRule

if TYPE_CHECKING:
    import duckdb

_SHOWN = 3
_KEY = FieldRule("Id", "id")
_STAMP = "%Y-%m-%dT%H:%M:%S.%fZ"


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

    @classmethod
    @contextmanager
    def open(
        cls,
        definition: PushDefinition,
        key: FieldRule,
        rules: Mapping[str, FieldRule],
        *,
        memory_limit: str = "512MB",
    ) -> Iterator[Self]:
        import duckdb

        with TemporaryDirectory(prefix="seil-plan-") as folder:
            file = str(Path(folder) / "plan.duckdb")
            settings: dict[str, Any] = {
                "memory_limit": memory_limit,
                "preserve_insertion_order": "false",
            }
            with duckdb.connect(file, config=settings) as database:
                # Never committed, so that nothing waits for the disk.
                database.execute("BEGIN TRANSACTION")
                yield cls(database, definition, key, rules)

    def take_desired(self, rows: pa.RecordBatchReader) -> None:
        """The query's rows. Raises ConfigurationError for null and for duplicate keys."""
        columns = {field.column for field in self._definition.fields.values()}
        columns |= {self._definition.parent} - {""}
        chosen = [f"{quoted(name)} AS {quoted('v ' + name)}" for name in sorted(columns)]
        self._types |= {f"v {name}": rows.schema.field(name).type for name in columns}
        key = stored(self._key, quoted(self._definition.source_key))
        self._run(f"CREATE TABLE desired AS SELECT {', '.join([f'{key} AS key', *chosen])}", rows)
        self._refuse_keys("key IS NULL", "rows without a key")
        self._refuse_keys("true", "keys that are there twice", "GROUP BY key HAVING count(*) > 1")

    def take_mirror(self, rows: pa.RecordBatchReader) -> None:
        """The object's records as last read; columns as `mirror_columns` names them."""
        fields = [f"{quoted(name.lower())} AS {quoted('m ' + name)}" for name in self._rules]
        types = {f"m {name}": rows.schema.field(name.lower()).type for name in self._rules}
        self._types |= types
        key = stored(self._key, quoted(self._key.name.lower()))
        chosen = ", ".join([f"{key} AS key", '"id" AS record_id', *fields])
        self._run(f"CREATE TABLE mirror AS SELECT {chosen}", rows)

    def take_last(self, rows: pa.RecordBatchReader) -> None:
        """The values that were written: rows of key, field, value, changed_at."""
        self._run("CREATE TABLE written AS SELECT *", rows)
        self._database.execute(
            "CREATE TABLE last AS SELECT key, field, arg_max_null(value, changed_at) AS value "
            "FROM written GROUP BY key, field"
        )

    def take_rejected(self, rows: pa.RecordBatchReader) -> None:
        """What was rejected and is still open: rows of key, field, value, before, changed_at and
        reason, all text.
        """
        self._run("CREATE TABLE rejected AS SELECT *", rows)

    def compare(self, *, now: datetime) -> DiffCounts:
        """Makes the plan, one row per differing value."""
        self._database.execute(f"CREATE TABLE compared AS {self._compared()}")
        self._database.execute(
            f"CREATE TABLE plan AS SELECT *, false AS held FROM ({self._plan()})"  # noqa: S608
        )
        if self._definition.retry.when != "each_run":
            self._hold_back(now)
        return self._counts()

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Writes the plan as a Parquet file."""
        pairs = ", ".join(f"{text(name)}: {text(value)}" for name, value in metadata.items())
        self._database.execute(
            "COPY (FROM plan ORDER BY parent NULLS LAST, key, field) "
            f"TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{pairs}}})"
        )

    def _hold_back(self, now: datetime) -> None:
        """Marks records that were rejected less than the policy's pause ago; with `changed`, only
        those of which neither the row nor the record has changed.
        """
        retry = self._definition.retry
        is_same = "writes = same AND same = sent" if retry.when == "changed" else "true"
        cause = "when it changes, or " if retry.when == "changed" else ""
        pause = f"to_microseconds({retry.pause // timedelta(microseconds=1)})"
        until = f"strftime(CAST(rejected_at AS TIMESTAMP) + {pause}, '%Y-%m-%d %H:%M UTC')"
        since = text((now - retry.pause).astimezone(UTC).strftime(_STAMP))
        self._database.execute(
            f"""
            UPDATE plan SET write = false, held = true, problem = held_back.reason
            FROM (
                SELECT key, reason || '; sent again {cause}from ' || {until} AS reason
                FROM (
                    SELECT key, any_value(reason) AS reason, max(changed_at) AS rejected_at,
                        count(*) AS sent
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
            """  # noqa: S608
        )

    def _run(self, statement: str, rows: pa.RecordBatchReader) -> None:
        self._database.register("input", rows)
        self._database.execute(f"{statement} FROM input")
        self._database.unregister("input")

    def _refuse_keys(self, condition: str, what: str, group: str = "") -> None:
        sql = f"SELECT CAST(key AS VARCHAR) FROM desired WHERE {condition} {group}"  # noqa: S608
        rows = self._database.execute(f"SELECT count(*), min(key), max(key) FROM ({sql}) t(key)")  # noqa: S608
        count, *examples = rows.fetchone() or (0,)
        if count:
            listing = ", ".join(dict.fromkeys(filter(None, examples)))
            reason = f"gives {count:,} {what}" + (f", such as {listing}" if listing else "")
            place = f"push {self._definition.name}: query"
            raise ConfigurationError([Problem(place, reason, "give each record one row")])

    def _compared(self) -> str:
        """One row per differing record: for each field the new value as stored and as the query
        gives it, the old one, the problem.
        """
        parent = quoted("v " + self._definition.parent) if self._definition.parent else "NULL"
        clears = self._definition.nulls == "clear"
        columns = ["desired.key", "record_id", f"CAST({parent} AS VARCHAR) AS parent"]
        columns.append(f"{self._record_problem()} AS record_problem")
        for name, rule in self._rules.items():
            value = quoted("v " + self._definition.fields[name].column)
            columns += [
                f"{stored(rule, value)} AS {quoted('new ' + name)}",
                f"{stored(rule, quoted('m ' + name))} AS {quoted('old ' + name)}",
                f"{problem(rule, value, clears=clears)} AS {quoted('bad ' + name)}",
                f"{value} AS {quoted('raw ' + name)}",
            ]
        unlike = " OR ".join(["record_id IS NULL", *map(self._is_unlike, self._rules)])
        candidates = "SELECT * FROM desired LEFT JOIN mirror USING (key)"
        if self._rules:
            candidates = f"{candidates} WHERE {unlike}"
        every = f"SELECT {', '.join(columns)} FROM ({candidates}) AS desired"  # noqa: S608
        differing = " OR ".join(self._differs(name) for name in self._rules) or "true"
        return f"SELECT * FROM ({every}) WHERE {differing}"  # noqa: S608

    def _is_unlike(self, name: str) -> str:
        """Whether the two values may differ: cheap, and false for equal ones of the same type.

        A value that the record has already is not checked further: it is not sent.
        """
        column = self._definition.fields[name].column
        value, old = quoted(f"v {column}"), quoted(f"m {name}")
        if self._types[f"v {column}"] == self._types[f"m {name}"]:
            return f"{value} IS DISTINCT FROM {old}"
        new = stored(self._rules[name], value)
        differs = f"{new} IS DISTINCT FROM {stored(self._rules[name], old)}"
        return f"({differs} OR ({new} IS NULL AND {value} IS NOT NULL))"

    def _differs(self, name: str) -> str:
        """True also for a value that the field cannot hold."""
        rule = self._rules[name]
        old, new, bad = (quoted(f"{kind} {name}") for kind in ("old", "new", "bad"))
        differs = f"{compared(rule, new)} IS DISTINCT FROM {compared(rule, old)}"
        if self._definition.nulls == "leave":
            differs = f"{new} IS NOT NULL AND {differs}"
        return f"(({differs}) OR {bad} IS NOT NULL)"

    def _plan(self) -> str:
        """One row per differing value; for a deletion one row per record, without a field.

        A record with any value that Salesforce would refuse is not written at all.
        """
        if self._definition.operation == "delete":
            return (
                "SELECT key, record_id, parent, '' AS field, NULL AS old, NULL AS new, "
                "NULL AS last, 'ours' AS verdict, record_problem IS NULL AS write, "
                "record_problem AS problem FROM compared"
            )
        parts = [self._differing(name, self._definition.fields[name]) for name in self._rules]
        changes = " UNION ALL ".join(parts)
        return f"""
            SELECT changes.key, record_id, parent, changes.field, old, new, last.value AS last,
                CASE WHEN last.key IS NULL OR old IS NOT DISTINCT FROM last.value THEN 'ours'
                     WHEN new IS NOT DISTINCT FROM last.value THEN 'theirs'
                     ELSE 'conflict' END AS verdict,
                count(problem) OVER (PARTITION BY changes.key) = 0 AND {self._writes()} AS write,
                problem
            FROM ({changes}) AS changes
            LEFT JOIN last ON last.key = changes.key AND last.field = changes.field
        """  # noqa: S608

    def _differing(self, name: str, field: PushField) -> str:
        rule = self._rules[name]
        old, new, bad, raw = (quoted(f"{kind} {name}") for kind in ("old", "new", "bad", "raw"))
        new = f"CASE WHEN {bad} IS NULL THEN {new} ELSE {plain(rule, raw)} END"
        return (
            f"SELECT key, record_id, parent, {text(rule.name)} AS field, {old} AS old, "  # noqa: S608
            f"{new} AS new, {text(field.owner)} AS owner, "
            f"coalesce({bad}, record_problem) AS problem "
            f"FROM compared WHERE {self._differs(name)}"
        )

    def _record_problem(self) -> str:
        """SQL for why no value of the record can be written; null if some can."""
        if self._definition.operation in ("update", "delete"):
            return "CASE WHEN record_id IS NULL THEN 'the mirror has no such record' END"
        bad_key = f"{text(f'key {self._key.name}: ')} || {problem(self._key, 'key', clears=False)}"
        if self._definition.operation == "upsert":
            return bad_key
        exists = "CASE WHEN record_id IS NOT NULL THEN 'the object has a record of this key' END"
        return f"coalesce({exists}, {bad_key})"

    def _writes(self) -> str:
        """Whether the field's owner lets the value be written; a new record gets every value."""
        return "(record_id IS NULL OR owner = 'ours' OR (owner = 'if_empty' AND old IS NULL))"

    def _counts(self) -> DiffCounts:
        one = self._database.execute(
            """
            WITH records AS (
                SELECT key, bool_or(write) AS write, any_value(record_id) AS record_id,
                    count(problem) > 0 AND NOT bool_or(held) AS refused, bool_or(held) AS held
                FROM plan GROUP BY key
            )
            SELECT (SELECT count(*) FROM desired),
                (SELECT count(*) FROM records WHERE write AND record_id IS NOT NULL),
                (SELECT count(*) FROM records WHERE write AND record_id IS NULL),
                (SELECT count(*) FROM desired ANTI JOIN mirror USING (key)),
                (SELECT count(*) FROM records WHERE refused),
                (SELECT count(*) FROM records),
                (SELECT count(*) FROM mirror),
                (SELECT coalesce(sum(length(key)), 0)::BIGINT FROM records
                    WHERE write AND record_id IS NULL),
                (SELECT count(*) FROM records WHERE held)
            """
        ).fetchone()
        records, changed, new, missing, refused, differing, mirrored, letters, held_back = (
            one or (0,) * 9
        )
        verdicts = self._database.execute(
            "SELECT CASE WHEN held THEN 'held' WHEN problem IS NULL THEN verdict "
            "ELSE 'refused' END AS verdict, count(*) "
            "FROM plan GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return DiffCounts(
            records=records,
            same=records - differing,
            changed=changed,
            new=new,
            missing=missing,
            refused=refused,
            mirrored=mirrored,
            fields=dict(verdicts),
            new_key_characters=letters,
            held=held_back,
        )


def mirror_columns(key: FieldRule, rules: Mapping[str, FieldRule]) -> Sequence[str]:
    """The columns that `take_mirror` expects, in lower case."""
    return list(dict.fromkeys(["id", key.name.lower(), *(name.lower() for name in rules)]))
