"""Records of a JSON answer as Arrow, by way of CSV: a value is the same however it was read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from seil.salesforce.columns import declared_column
from seil.salesforce.decode import Decoder
from seil.salesforce.rows import Header

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.salesforce.schema import ObjectSchema

_JSON_UTC, _CSV_UTC = "+0000", "Z"


def text_of(value: object) -> str | None:
    """As a bulk result has it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def decode_records(
    schema: ObjectSchema, records: Sequence[Mapping[str, object]]
) -> list[pa.RecordBatch]:
    """A value that its column cannot hold widens the column, as in a result page."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    moments = {field.name for field in schema.fields if field.type == "datetime"}
    for record in records:
        texts = {field.name: text_of(record.get(field.name)) for field in schema.fields}
        for name in moments:
            if (text := texts[name]) and text.endswith(_JSON_UTC):
                texts[name] = text.removesuffix(_JSON_UTC) + _CSV_UTC
        writer.writerow(texts.values())
    header = Header(tuple(field.name for field in schema.fields), ",", quoted=True)
    decoder = Decoder(header, [declared_column(field) for field in schema.fields])
    return decoder.decode(out.getvalue().encode())
