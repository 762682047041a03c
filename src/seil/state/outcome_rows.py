"""Outcomes as Arrow rows. `fields` and `image_before` are JSON objects of field and value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from seil.state.outcomes import StoredOutcome

_TEXTS = ("flow", "object", "key", "run_id", "operation", "fields", "image_before", "state")
_FIELDS: list[pa.Field[Any]] = [
    *[pa.field(name, pa.string()) for name in (*_TEXTS, "record_id")],
    pa.field("created", pa.bool_()),
    *[pa.field(name, pa.string()) for name in ("code", "reason")],
    pa.field("attempts", pa.int64()),
    pa.field("changed_at", pa.timestamp("us", tz="UTC")),
]
SCHEMA = pa.schema(_FIELDS)
IMAGES = ("fields", "image_before")


def outcome_table(outcomes: Sequence[StoredOutcome]) -> pa.Table:
    rows = [
        vars(outcome)
        | {name: json.dumps(getattr(outcome, name), ensure_ascii=False) for name in IMAGES}
        for outcome in outcomes
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
