"""Reads records that were set aside, from exceptions files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from seil.errors import LakeError
from seil.lake.keys import EXCEPTIONS_PREFIX

if TYPE_CHECKING:
    from seil.lake import Bucket, Lake

_ROWS = 1024


@dataclass(frozen=True)
class SetAside:
    """A record that is not loaded, as it was cleaned; `messages` are the reasons."""

    key: str
    landed_key: str
    messages: Sequence[str]
    record: dict[str, Any]


def records_set_aside(lake: Lake, keys: Sequence[str]) -> Iterator[SetAside]:
    """Streams the records of these exceptions files. Raises LakeError for a key of no such file."""
    for key in keys:
        if not key.startswith(EXCEPTIONS_PREFIX) or lake.curated.head(key) is None:
            hint = "List them with `seil files list --state exceptions`"
            url = lake.curated.uri(key)
            raise LakeError(url, "show", "there is no exceptions file of that key", hint=hint)
        yield from _read_exceptions(lake.curated, key)


def _read_exceptions(curated: Bucket, key: str) -> Iterator[SetAside]:
    with curated.reader(key) as file:
        try:
            parquet = pq.ParquetFile(file)
            landed = (parquet.metadata.metadata or {}).get(b"seil.landed_key", b"").decode()
            # The reasons are in the last column; its name depends on the record's.
            last = parquet.schema_arrow.names[-1]
            for batch in parquet.iter_batches(_ROWS):
                for row in batch.to_pylist():
                    messages = row.pop(last) or ()
                    yield SetAside(key, landed, tuple(messages), row)
        except pa.ArrowException as error:
            raise LakeError(curated.uri(key), "read", str(error)) from error
