"""Rows as they are sent, and as they are recognised: by a hash of their values."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from seil.state.billing import HASH_LENGTH

_LINE_END = "\r\n"
_HASH_BYTES = HASH_LENGTH * 3 // 4


def csv_line(values: Sequence[str]) -> str:
    """One record of CSV (RFC 4180), without a line end.

    Never white space alone, which an XML reader may drop.
    """
    text = io.StringIO(newline="")
    # Values with a character of the line end are quoted; the line end itself is not wanted.
    if any(map(str.strip, values)):
        csv.writer(text, lineterminator=_LINE_END).writerow(values)
    else:
        csv.writer(text, lineterminator=_LINE_END, quoting=csv.QUOTE_ALL).writerow(values)
    return text.getvalue().removesuffix(_LINE_END)


def row_hash(values: Sequence[str]) -> str:
    """96 bits: of a billion rows, two differing ones share it with a chance of one in 10^11."""
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for value in values:
        encoded = value.encode()
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return base64.b64encode(digest.digest()).decode()


def hash_counts(rows: Iterable[Sequence[str]]) -> Counter[str]:
    return Counter(map(row_hash, rows))


@dataclass
class TableCount:
    """How many rows a table has, and how many equal each of the `watched` ones."""

    watched: frozenset[str]
    total: int = 0
    rows: Counter[str] = field(default_factory=Counter)

    def add(self, values: Sequence[str]) -> None:
        self.total += 1
        if (row := row_hash(values)) in self.watched:
            self.rows[row] += 1


def projected(
    columns: Sequence[str], rows: Iterable[Sequence[str]], onto: Sequence[str]
) -> Iterator[list[str]]:
    """Rows of a table with these columns, in the order of ours; names ignore case.

    Raises LookupError for a column that the table does not have.
    """
    places = {name.casefold(): at for at, name in enumerate(columns)}
    positions = [places[name.casefold()] for name in onto] if columns else []
    for row in rows:
        yield [row[at] for at in positions]
