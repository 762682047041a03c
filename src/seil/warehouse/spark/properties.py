"""The properties of SEIL's Iceberg tables."""

from __future__ import annotations

from collections.abc import Mapping

from seil.warehouse.sql import Sql

TABLE_PROPERTIES = {
    # Athena reads version 2, and the step to 3 cannot be undone.
    "format-version": "2",
    "write.wap.enabled": "true",
    # A merge of few rows takes a sixth of the time that copy-on-write takes.
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
    "write.metadata.delete-after-commit.enabled": "true",
    # A commit writes up to four. Who has loaded the table before the oldest of them, or shows a
    # view of it, cannot read it any more.
    "write.metadata.previous-versions-max": "100",
}
FILE_BYTES = "write.target-file-size-bytes"


def clause(properties: Mapping[str, str]) -> Sql:
    """As pairs in Spark's dialect."""
    pairs = (f"{_text(name)}={_text(text)}" for name, text in properties.items())
    return Sql(", ".join(pairs))


def _text(text: str) -> str:
    return f"'{escaped(text)}'"


def escaped(text: str) -> str:
    """Between quotes in Spark's dialect."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
