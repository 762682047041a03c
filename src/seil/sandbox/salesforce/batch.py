"""Generates records with the scripts of org/: a whole new org, or one tick's additions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from string import Template

import duckdb

from seil.observe.progress import SILENT, Progress
from seil.sandbox.salesforce.blueprint import Traits, script, traits
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.record_ids import id_sql, number_sql
from seil.sandbox.salesforce.store import OrgStore, ident
from seil.sandbox.salesforce.values import (
    ODD_LONG_TEXTS,
    ODD_TEXTS,
    PHRASES,
    Draw,
    text_list,
    value_sql,
)
from seil.time_zones import is_time_zone

# Scripts of org/plan that must have run before an object's records are made.
_PLANS = {
    "Account": ("accounts",),
    "Opportunity": ("picks", "deals", "lines"),
    "Order": ("placements",),
    "blng__Invoice__c": ("invoices",),
}
TIME_ZONE = "Australia/Sydney"
_MOST_LISTED = 4096
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})


@dataclass(frozen=True)
class Batch:
    """What to generate: so many orders and all that belongs to them, of one seed.

    `start` and `until` bound, in UTC, when the records were created and last changed; `sizes` are
    numbers the scripts name. Record numbers count on from those already in the store. A `growing`
    org already has records, some perhaps deleted: references come from the scripts only. The fields
    of `described` objects come from a file, and a script's value may not fit them.
    """

    store: OrgStore
    cursor: duckdb.DuckDBPyConnection
    seed: int
    start: datetime
    until: datetime
    orders: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    growing: bool = False
    described: frozenset[str] = frozenset()
    lists: set[str] = field(default_factory=set)

    def open(self) -> None:
        """Prepares the cursor for the scripts, and records the numbers in use."""
        self._run("macros")
        self.cursor.execute(_odd_text_macro())

    def make_all(
        self, objects: Mapping[str, Traits], progress: Progress = SILENT
    ) -> dict[str, int]:
        """Generates the objects' records in order; returns the count of each."""
        created: dict[str, int] = {}
        for name in objects:
            with progress.step(f"make {name}") as step:
                for plan in _PLANS.get(name, ()):
                    self._run(plan)
                source = self._fill(script(f"objects/{name}.sql"))
                created[name] = self._make(self.store.object(name), source)
                step.advance(created[name])
        return created

    def make_described(self, entry: SObject, rows: int) -> int:
        """Generates records of an object known by its describe alone."""
        source = Template(self._fill(script("plan/described.sql"))).substitute(
            before=self.store.last_number(entry.name), rows=rows
        )
        return self._make(entry, source, dense=True)

    def _run(self, plan: str) -> None:
        self.cursor.execute(self._fill(script(f"plan/{plan}.sql")))

    def _make(self, entry: SObject, source: str, *, dense: bool = False) -> int:
        """Inserts a record of each row of `source`; returns their number.

        Its columns are `number`, `created`, perhaps `deleted` and `gone_at`, and fields by name. A
        number in a reference field stands for that record of the object the field refers to.
        """
        self.cursor.execute(f"CREATE OR REPLACE TEMP VIEW source AS {source}")
        described = "SELECT lower(column_name), column_type FROM (DESCRIBE source)"
        row: dict[str, str] = dict(self.cursor.execute(described).fetchall())
        draw = self._draw(entry, dense=dense)
        values = [self._value(entry, column, row, draw) for column in entry.stored_fields]
        columns = ", ".join(ident(column.name) for column in entry.stored_fields)
        parts = ("INSERT INTO main.", ident(entry.name), f"({columns}) SELECT", ", ".join(values))
        inserted = self.cursor.execute(
            " ".join((*parts, f"FROM ({self._with_times(row)})"))
        ).fetchone()
        count = int(inserted[0]) if inserted else 0
        if count:
            self.store.draw_numbers(entry.name, count)
        return count

    def _with_times(self, row: Mapping[str, str]) -> str:
        """Adds a record's timestamps to the source: most records change soon after creation."""
        lives = self.growing or "deleted" not in row
        deleted = "FALSE" if lives else "coalesce(source.deleted, FALSE)"
        removed = "greatest(source.created, gone_at)" if "gone_at" in row else "NULL"
        excluded = ", ".join(name for name in ("created", "deleted") if name in row)
        text = self._fill(script("plan/stamped.sql"))
        for mark, expression in (("deleted", deleted), ("gone", removed), ("excluded", excluded)):
            text = text.replace(f"@{mark}", expression)
        return text

    def _value(self, entry: SObject, column: SField, row: Mapping[str, str], draw: Draw) -> str:
        lower = column.name.lower()
        if lower in _AUDIT:
            return _AUDIT[lower]
        if lower == "id":
            return id_sql(entry.key_prefix, "number")
        if (kind := row.get(lower)) is None:
            return value_sql(column, draw)
        if column.type == "reference" and kind in _INTEGERS:
            target = self.store.object(column.reference_to[0])
            return id_sql(target.key_prefix, ident(column.name))
        # A field that was changed since may not take what the script has for it.
        cast = "TRY_CAST" if self.growing or entry.name in self.described else "CAST"
        return f"{cast}({ident(column.name)} AS {column.column_type})"

    def _draw(self, entry: SObject, *, dense: bool) -> Draw:
        return Draw(
            object_name=entry.name,
            seed=self.seed,
            start=self.start.isoformat(" "),
            until=self.until.isoformat(" "),
            reference=lambda target, roll: self._reference(entry, target, roll, dense=dense),
            dense=dense,
        )

    def _reference(self, entry: SObject, target: str, roll: str, *, dense: bool) -> str | None:
        """The Id of a random record of the target; None where it has none."""
        if target not in self.store.objects:
            return None
        there = self.store.object(target)
        if there.name == entry.name:
            earlier = f"CAST(1 + {roll} % number AS BIGINT)"
            return id_sql(there.key_prefix, earlier) if dense else None
        count = 0 if self.growing else self.store.last_number(there.name)
        if there.name == "User":
            # Some objects come before the users, who make them all the same.
            count = self.store.last_number("User") or self.sizes.get("users", 0)
        if not count:
            return None
        if count <= _MOST_LISTED and self.store.last_number(there.name):
            return self._pick(there, roll)
        return id_sql(there.key_prefix, f"CAST(1 + {roll} % {count} AS BIGINT)")

    def _pick(self, there: SObject, roll: str) -> str:
        """A record of a small object, picked from a list of all: faster than computing its Id."""
        name = f"ids of {there.name}"
        if name not in self.lists:
            ids = f"FROM main.{ident(there.name)} SELECT list(Id ORDER BY Id)"
            self.cursor.execute(f"SET VARIABLE {ident(name)} = ({ids})")
            self.lists.add(name)
        entries = f"getvariable('{name}')"
        return f"list_extract({entries}, CAST(1 + {roll} % len({entries}) AS BIGINT))"

    def _fill(self, text: str) -> str:
        """The script with its placeholders replaced.

        `$Order` is the number of the last order there was before this batch, and so on.
        """
        prefix = {name: entry.prefix for name, entry in traits().items()}
        prefix |= {name: entry.key_prefix for name, entry in self.store.objects.items()}
        return Template(text).safe_substitute(
            self._last_numbers,
            seed=self.seed,
            start=self.start.isoformat(" "),
            since=(self.until if self.growing else self.start).isoformat(" "),
            until=self.until.isoformat(" "),
            orders=self.orders,
            time_zone=self._time_zone,
            number_of_Id=number_sql("Id"),
            number_of_product_Id=number_sql("product.Id"),
            account_id=id_sql(prefix["Account"], "deal.account"),
            order_item_id=id_sql(prefix["OrderItem"], "line.order_line"),
            order_item_parent_id=id_sql(prefix["OrderItem"], "line.order_line - 1"),
            **self.sizes,
        )

    @cached_property
    def _time_zone(self) -> str:
        """The org's time zone, or the default where the stored one is invalid."""
        if not self.store.last_number("Organization"):
            return TIME_ZONE
        select = 'SELECT TimeZoneSidKey FROM main."Organization" LIMIT 1'
        row = self.cursor.execute(select).fetchone()
        return row[0] if row and is_time_zone(row[0] or "") else TIME_ZONE

    @cached_property
    def _last_numbers(self) -> Mapping[str, int]:
        """Cached at first use: as before the batch."""
        return {name: self.store.last_number(name) for name in self.store.objects}


_AUDIT = {
    "isdeleted": "deleted",
    "createddate": "created",
    "lastmodifieddate": "modified",
    "systemmodstamp": "stamped",
}


def _odd_text_macro() -> str:
    """`odd_text(number, salt, size)`: a phrase, or now and then what breaks naive readers."""
    short, every = text_list(ODD_TEXTS), text_list((*ODD_TEXTS, *ODD_LONG_TEXTS))
    return f"""
        CREATE TEMP MACRO odd_text(number, salt, size) AS left(
            CASE
                WHEN roll(number, salt || ' odd') % 6 > 0
                    THEN one_of(number, salt, {text_list(PHRASES)}) || ' ' || number
                WHEN size > 255 THEN one_of(number, salt, {every})
                ELSE one_of(number, salt, {short})
            END,
            size
        )"""
