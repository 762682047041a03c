"""A believable media-sales org, made by SQL inside the store: no Python per record.

What records exist and how they relate is written in org/: `plan/` decides the deals, their lines
and placements; `objects/<object>.sql` gives a record's own values; every other described field
gets a value of its type from `values`.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from seil.catalog.fields import packaged_fields
from seil.errors import ConfigurationError, Problem
from seil.observe.progress import SILENT, Progress
from seil.sandbox.salesforce.batch import Batch
from seil.sandbox.salesforce.blueprint import Traits, traits
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import OrgStore

HISTORY = timedelta(days=3 * 365)
EXTRA_ROWS = 1000
_LEAST_ACCOUNTS = 20
_log = logging.getLogger(__name__)

Extra = Path | tuple[Path, int]


def generate(
    folder: Path,
    *,
    orders: int = 2000,
    seed: int = 1,
    as_of: date | None = None,
    extra: Sequence[Extra] = (),
    progress: Progress = SILENT,
    memory_limit: str = "1GB",
) -> OrgStore:
    """A new org with that many orders and all that belongs to them.

    The same arguments make the same org. Its three years end at the midnight (UTC) that begins
    `as_of`, by default today. `extra` are files with describe answers, each with the number of
    records to make, all of them described as the file says. An object that the org has anyway
    keeps the records that others refer to, and gets more up to that number.
    Raises ConflictError where there is an org already, ConfigurationError for a file that is no
    describe answer, lacks a field that the org's records are made with, or asks for fewer records
    than an org of that size has.
    """
    day = as_of or datetime.now(UTC).date()
    midnight = datetime.combine(day, time())
    described = [_describe(given) for given in extra]
    objects = {name.lower(): packaged_object(entry) for name, entry in traits().items()}
    objects |= {each.entity.name.lower(): each.entity for each in described}
    store = OrgStore.create(folder, objects.values(), memory_limit=memory_limit, unfinished=True)
    try:
        with store.write() as cursor:
            batch = Batch(
                store=store,
                cursor=cursor,
                seed=seed,
                start=midnight - HISTORY,
                until=midnight - timedelta(milliseconds=1),
                orders=orders,
                sizes=_sizes(orders),
                described=frozenset(each.entity.name for each in described),
            )
            _fill(batch, described, progress)
            for key, value in (("seed", seed), ("orders", orders), ("as_of", day)):
                store.keep_setting(key, str(value))
            store.keep_setting("now", batch.until.isoformat())
        store.finish()
    except BaseException:
        store.close()
        raise
    _log.info("Generated an org of %d orders as of %s in %s", orders, day, folder)
    return store


def _fill(batch: Batch, described: Sequence[_Described], progress: Progress) -> None:
    batch.open()
    try:
        created = batch.make_all(traits(), progress)
    except duckdb.BinderException as error:
        if not described:
            raise
        files = ", ".join(str(each.file) for each in described)
        reason = str(error).partition("\n")[0]
        cure = "add the field to the describe, or leave the file out"
        raise ConfigurationError([Problem(files, f"lacks a field: {reason}", cure)]) from error
    for each in described:
        rows = each.missing(created)
        with progress.step(f"make {each.entity.name}", rows) as step:
            step.advance(batch.make_described(batch.store.object(each.entity.name), rows))


def packaged_object(entry: Traits) -> SObject:
    """The object as our own list describes it."""
    fields = (SField(described) for described in packaged_fields(entry.name))
    created = SObject.of(entry.name, fields, key_prefix=entry.prefix, label=entry.label)
    own = {"labelPlural": entry.plural, "createable": entry.createable}
    return SObject({**created.raw, **own}, created.fields)


def _sizes(orders: int) -> Mapping[str, int]:
    """How many there are of what does not hang on a deal; reference data grows slowly."""
    return {
        "deals": orders + orders // 5,
        "accounts": max(_LEAST_ACCOUNTS, orders // 4),
        "users": 30 + min(470, orders // 40),
        "products": 120 + min(880, orders // 50),
        "leads": 50 + min(5000, orders // 10),
    }


@dataclass(frozen=True)
class _Described:
    """`rows` is None where the file names no number."""

    file: Path
    entity: SObject
    rows: int | None

    def missing(self, created: Mapping[str, int]) -> int:
        """How many records are still to be made."""
        own = created.get(self.entity.name)
        if own is None:
            return EXTRA_ROWS if self.rows is None else self.rows
        if self.rows is None:
            return 0
        if self.rows < own:
            reason = f"{self.rows} records are fewer than the {own} that an org of this size has"
            cure = f"name {own} or more, or a smaller --orders"
            raise ConfigurationError([Problem(f"{self.file}:{self.rows}", reason, cure)])
        return self.rows - own


def _describe(entry: Extra) -> _Described:
    path, rows = entry if isinstance(entry, tuple) else (entry, None)
    try:
        answer = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError([Problem(str(path), error.strerror or str(error))]) from error
    except ValueError:
        answer = None
    if not _is_describe(answer):
        cure = "save the answer of GET /sobjects/<object>/describe"
        raise ConfigurationError([Problem(str(path), "is not a describe answer", cure)])
    names = Counter(field["name"].lower() for field in answer["fields"])
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigurationError([Problem(str(path), f"has two fields called {twice[0]}")])
    if "id" not in names:
        raise ConfigurationError([Problem(str(path), "has no field Id", "describe a whole object")])
    return _Described(path, SObject.from_describe(answer), rows)


def _is_describe(answer: Any) -> bool:
    fields = answer.get("fields") if isinstance(answer, dict) else None
    return isinstance(fields, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) and "type" in entry
        for entry in ({"name": answer.get("name"), "type": ""}, *fields)
    )
