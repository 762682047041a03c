"""Reading the records that were set aside, with the reasons."""

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
    """A record that no load merges: `messages` say why, `record` is as it was cleaned."""

    key: str
    landed_key: str
    messages: Sequence[str]
    record: dict[str, Any]


def records_set_aside(lake: Lake, keys: Sequence[str]) -> Iterator[SetAside]:
    """Of these exceptions files, in their order, read as they are asked for.

    Raises LakeError for a key that is no such file.
    """
    for key in keys:
        if not key.startswith(EXCEPTIONS_PREFIX) or lake.curated.head(key) is None:
            hint = "List those there are: `seil files list --state exceptions`"
            url = lake.curated.uri(key)
            raise LakeError(url, "show", "no file of records set aside lies there", hint=hint)
        yield from _read_exceptions(lake.curated, key)


def _read_exceptions(curated: Bucket, key: str) -> Iterator[SetAside]:
    with curated.reader(key) as file:
        try:
            page = pq.ParquetFile(file)
            landed = (page.metadata.metadata or {}).get(b"seil.landed_key", b"").decode()
            # The reasons stand in the last column, whatever it had to be called.
            last = page.schema_arrow.names[-1]
            for batch in page.iter_batches(_ROWS):
                for row in batch.to_pylist():
                    messages = row.pop(last) or ()
                    yield SetAside(key, landed, tuple(messages), row)
        except pa.ArrowException as error:
            raise LakeError(curated.uri(key), "read", str(error)) from error
