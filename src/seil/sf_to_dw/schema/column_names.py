"""SEIL's own columns beside a file's: which one is renamed where both have the same name.

| SEIL's | where | renamed |
|---|---|---|
| `_file`, `_extracted_at`, `_seil_...` | tables of the warehouse | the file's: `field_<name>` |
| lineage (`filename`, ...), `messages` | curated files, exceptions | ours: `seil_<name>` |
| `valid_from`, `valid_to`, `is_current` | views of the history | ours: `seil_<name>` |

A column without a name is `field_unnamed` in the warehouse. Names differ by more than case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping

from seil.warehouse.merges import EXTRACTED_AT, FILE

LINEAGE = (
    "filename",
    "function_name",
    "function_version",
    "aws_request_id",
    "appflow_id",
    "processed_ts",
)
# In a curated file's metadata: the names of its lineage columns, in the order of LINEAGE.
LINEAGE_NAMES = "seil.lineage"
# In a curated file's metadata, as a JSON list: columns that the landed file lacked. They are null
# in every row, which is no fact about the records.
MISSING = "seil.missing"
_FIELD = "field_"
_UNNAMED = "unnamed"
# The prefix is part of the pattern, so that a file's own `field__file` stays distinct from `_file`.
_RESERVED = re.compile(
    rf"({_FIELD})*({re.escape(FILE)}|{re.escape(EXTRACTED_AT)}|_seil_.*)|({_FIELD})+{_UNNAMED}",
    re.DOTALL,
)


def table_column(name: str) -> str:
    """A file's column in the warehouse: its name in lower case, prefixed where that is reserved."""
    plain = name.lower()
    if _RESERVED.fullmatch(plain):
        return _FIELD + plain
    return plain or _FIELD + _UNNAMED


def free_names(own: Iterable[str], others: Collection[str]) -> tuple[str, ...]:
    """The names `own`, in their order, prefixed where one is among `others`."""
    used = {name.lower() for name in others}
    names: list[str] = []
    for name in own:
        free = name
        while free in used:
            free = f"seil_{free}"
        used.add(free)
        names.append(free)
    return tuple(names)


def lineage_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The names of a curated file's lineage columns; older files do not list them, and have the
    plain ones.
    """
    names = metadata.get(LINEAGE_NAMES, "")
    return tuple(names.split(",")) if names else LINEAGE


def missing_columns(metadata: Mapping[str, str]) -> frozenset[str]:
    """Columns, by their names in the table, that the landed file of a curated one lacked."""
    return frozenset(table_column(name) for name in json.loads(metadata.get(MISSING, "[]")))
