"""Columns of SEIL's own beside those of a file: which gives way where both have the same name.

| ours | where | gives way |
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

from seil.warehouse.protocol import EXTRACTED_AT, FILE

LINEAGE = (
    "filename",
    "function_name",
    "function_version",
    "aws_request_id",
    "appflow_id",
    "processed_ts",
)
# In a curated file's metadata: what its lineage columns are called, in the order of LINEAGE.
LINEAGE_NAMES = "seil.lineage"
# In a curated file's metadata: columns of it that the landed file did not have, as JSON. They are
# null in every row, which says nothing of the records.
MISSING = "seil.missing"
_FIELD = "field_"
_UNNAMED = "unnamed"
# With names that already begin so, no two columns of a file ever get one name.
_RESERVED = re.compile(
    rf"({_FIELD})*({re.escape(FILE)}|{re.escape(EXTRACTED_AT)}|_seil_.*)|({_FIELD})+{_UNNAMED}",
    re.DOTALL,
)


def table_column(name: str) -> str:
    """A file's column in the warehouse: its name in lower case, where that is not reserved."""
    plain = name.lower()
    if _RESERVED.fullmatch(plain):
        return _FIELD + plain
    return plain or _FIELD + _UNNAMED


def free_names(own: Iterable[str], taken: Collection[str]) -> tuple[str, ...]:
    """Names for columns of `own` beside those of `taken`, in their order."""
    used = {name.lower() for name in taken}
    names: list[str] = []
    for name in own:
        free = name
        while free in used:
            free = f"seil_{free}"
        used.add(free)
        names.append(free)
    return tuple(names)


def lineage_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The names of a curated file's lineage columns; files made before they could give way have
    the plain ones.
    """
    said = metadata.get(LINEAGE_NAMES, "")
    return tuple(said.split(",")) if said else LINEAGE


def missing_columns(metadata: Mapping[str, str]) -> frozenset[str]:
    """Columns, by their name in the table, that ingest has added to a curated file."""
    return frozenset(table_column(name) for name in json.loads(metadata.get(MISSING, "[]")))
