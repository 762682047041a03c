"""From Salesforce's CSV to typed columns, value by value."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.errors import UnavailableError
from seil.salesforce.columns import CsvColumn, declared_column, wider_of
from seil.salesforce.decode import Decoder
from seil.salesforce.rows import Header, RowBlocks
from seil.salesforce.schema import Field, arrow_type, parse_describe

TEXT = pa.string()


def decoded(
    texts: Sequence[str], salesforce_type: str, precision: int = 0, scale: int = 0
) -> tuple[list[Any], pa.DataType]:
    """One column of `texts`, beside one that nothing can go wrong with."""
    store = arrow_type(salesforce_type, precision, scale)
    field = Field("Value", salesforce_type, store)
    columns = [CsvColumn("Id", TEXT, TEXT), declared_column(field)]
    decoder = Decoder(Header(("Id", "Value"), ",", quoted=True), columns)
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [str(n), text] for n, text in enumerate(texts)
    )
    table = pa.Table.from_batches(decoder.decode(out.getvalue().encode()))
    table.validate(full=True)
    assert table["Id"].to_pylist() == [str(n) for n in range(len(texts))]
    return table["Value"].to_pylist(), table.schema.field("Value").type


KEPT: list[tuple[str, Any, list[str], list[Any]]] = [
    ("string", (), ["NA", "N/A", "null", "None", "nan", "01234", "true", " x "], []),
    ("string", (), ['say "hi"', "a,b", "l1\nl2", "l1\r\nl2", "tab\t", "\U0001f600 ü", '""'], []),
    ("textarea", (), ["x" * 32_000, "y" * 1_000_000], []),
    ("anyType", (), ["7"], []),
    ("string", (), ["", "x"], [None, "x"]),
    ("boolean", (), ["true", "false", ""], [True, False, None]),
    ("int", (), ["0", "-5", "2147483647", ""], [0, -5, 2147483647, None]),
    ("int", (), ["5.0", "7", "1.0E7", "-2E0", ""], [5, 7, 10_000_000, -2, None]),
    ("long", (), ["9223372036854775807"], [9223372036854775807]),
    ("date", (), ["2024-02-29", "0001-01-01", "4000-12-31"], []),
    ("datetime", (), ["2024-01-01T10:20:30.000Z"], [datetime(2024, 1, 1, 10, 20, 30, tzinfo=UTC)]),
    ("datetime", (), ["2024-01-01T00:00:00.000+0000"], [datetime(2024, 1, 1, tzinfo=UTC)]),
    ("datetime", (), ["2024-01-01T00:00:00.123+00:00"], []),
    ("datetime", (), ["1700-01-01T00:00:00.000Z", "4000-12-31T23:59:59.999Z", ""], []),
    (
        "time",
        (),
        ["14:30:00.000Z", "00:00:00.123Z", ""],
        [time(14, 30), time(0, 0, 0, 123000), None],
    ),
    ("currency", (18, 2), ["1000.5", "1.0E7", "-0.01", "0.00", "5", "1.500", ""], []),
    ("double", (18, 0), ["12345678901234567", "1E3"], []),
    ("percent", (3, 0), ["100", "0", "-5"], []),
    ("double", (18, 15), ["-122.419415500000000", "51.5"], []),
]


def value(text: str, salesforce_type: str) -> Any:
    if not text:
        return None
    if salesforce_type in ("currency", "double", "percent"):
        return Decimal(text)
    if salesforce_type == "date":
        return date.fromisoformat(text)
    if salesforce_type == "datetime":
        return datetime.fromisoformat(text)
    return text


@pytest.mark.parametrize(
    ("kind", "size", "texts", "values"), KEPT, ids=[f"{c[0]}-{c[2][0][:20]}" for c in KEPT]
)
def test_values_arrive_exact(
    kind: str, size: tuple[int, ...], texts: list[str], values: list[Any]
) -> None:
    got, store = decoded(texts, kind, *size)
    assert got == (values or [value(text, kind) for text in texts])
    assert store == arrow_type(kind, *size)


WIDENED: list[tuple[str, Any, list[str], pa.DataType]] = [
    ("currency", (18, 2), ["1.2345", "1.00"], pa.decimal128(20, 4)),
    ("currency", (18, 2), ["12345678901234567"], pa.decimal128(19, 2)),
    ("currency", (18, 2), ["12345678901234567.5", "0.001"], pa.decimal128(20, 3)),
    ("currency", (18, 2), ["1E-7", "1.0E7"], pa.decimal128(23, 7)),
    ("percent", (3, 0), ["1234", "12.5"], pa.decimal128(5, 1)),
    ("double", (18, 15), ["1234567890.5"], pa.decimal128(25, 15)),
    ("double", (18, 2), ["1" * 36], pa.decimal128(38, 2)),
    ("double", (38, 2), ["0.123456789"], pa.decimal128(38, 9)),
    ("double", (18, 2), ["0", "0.00", "0.001"], pa.decimal128(19, 3)),
    ("double", (18, 2), ["1" * 37], TEXT),
    ("double", (18, 2), ["1" * 30 + ".123456789"], TEXT),
    ("double", (18, 2), ["0." + "0" * 38 + "1"], TEXT),
    ("double", (18, 2), ["1E400"], TEXT),
    ("double", (18, 2), ["1E999999999"], TEXT),
    ("double", (18, 2), ["NaN"], TEXT),
    ("double", (18, 2), ["Infinity", "1"], TEXT),
    ("double", (18, 2), ["1_000"], TEXT),
    ("double", (18, 2), ["abc", "1.00"], TEXT),
    ("int", (), ["5.5", "7"], pa.decimal128(20, 1)),
    ("int", (), ["99999999999999999999", "1"], pa.decimal128(20, 0)),
    ("int", (), ["n/a"], TEXT),
    ("boolean", (), ["TRUE", "false"], TEXT),
    ("boolean", (), ["1"], TEXT),
    ("date", (), ["12000-01-01"], TEXT),
    ("datetime", (), ["2024-01-01T00:00:00"], TEXT),
    ("time", (), ["half past two", "14:30:00.000Z"], TEXT),
]


@pytest.mark.parametrize(
    ("kind", "size", "texts", "store"), WIDENED, ids=[f"{c[0]}-{c[2][0][:20]}" for c in WIDENED]
)
def test_value_that_does_not_fit_widens(
    kind: str, size: tuple[int, ...], texts: list[str], store: pa.DataType
) -> None:
    got, widened = decoded(texts, kind, *size)
    assert widened == store
    assert got == (texts if store == TEXT else [Decimal(text) for text in texts])


def test_later_blocks_keep_what_earlier_ones_needed() -> None:
    decoder = Decoder(
        Header(("A",), ",", quoted=True),
        [declared_column(Field("A", "currency", pa.decimal128(18, 2)))],
    )
    types = [decoder.decode(b)[0].schema.field("A").type for b in (b'"1.5"', b'"0.125"', b'"2"')]
    assert types == [pa.decimal128(18, 2), pa.decimal128(19, 3), pa.decimal128(19, 3)]


ODD = [(b"0.125", b"1", b"1"), (b"1", b"0.1234", b"1"), (b"1", b"1", b"n/a"), (b"2", b"3", b"4")]


def test_blocks_decoded_at_once_agree_on_what_all_need() -> None:
    names = ("A", "B", "C")
    columns = [declared_column(Field(name, "currency", pa.decimal128(18, 2))) for name in names]
    decoder = Decoder(Header(names, ",", quoted=True), columns)
    blocks = [b'"1.5","1","1"\n' * 500 + b'"%s","%s","%s"\n' % odd for odd in ODD * 8]
    with ThreadPoolExecutor(4) as pool:
        decoded = list(pool.map(decoder.decode, blocks))
    assert all(sum(batch.num_rows for batch in batches) == 501 for batches in decoded)
    stored = [decoder.schema.field(name).type for name in names]
    assert stored == [pa.decimal128(19, 3), pa.decimal128(20, 4), TEXT]


def test_decoded_values_outlive_their_block() -> None:
    decoder = Decoder(Header(("A",), ",", quoted=True), [CsvColumn("A", TEXT, TEXT)])
    block = bytearray(b'"kept"\n"quote "" here"\n')
    (batch,) = decoder.decode(memoryview(block))
    block[:] = b"x" * len(block)
    assert batch.column(0).to_pylist() == ["kept", 'quote " here']


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b'"1","2"\n"3"\n', "rows of unequal length"),
        (b'"1","2","3"\n', "rows of unequal length"),
        (b'"1","caf\xe9"\n', "not UTF-8"),
    ],
)
def test_block_that_is_damaged(block: bytes, words: str) -> None:
    columns = [CsvColumn("A", pa.int64(), pa.int64()), CsvColumn("B", TEXT, TEXT)]
    decoder = Decoder(Header(("A", "B"), ",", quoted=True), columns)
    with pytest.raises(UnavailableError, match=f"damaged: {words}") as caught:
        decoder.decode(block)
    assert "caf" not in str(caught.value)


def test_blank_block_has_no_rows() -> None:
    decoder = Decoder(Header(("A",), ",", quoted=True), [CsvColumn("A", TEXT, TEXT)])
    assert decoder.decode(b"\r\n\n") == []


@pytest.mark.parametrize("delimiter", [",", "\t", "|", ";", "^", "`"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_dialect_a_job_can_have(delimiter: str, end: str) -> None:
    columns = [CsvColumn("B", TEXT, TEXT), CsvColumn("A", pa.int64(), pa.int64())]
    decoder = Decoder(Header(("A", "X", "B"), delimiter, quoted=True), columns)
    block = end.join(delimiter.join(row) for row in (['"1"', '""', '"a,;|"'], ["2", "", "b"], []))
    (batch,) = decoder.decode(block.encode())
    assert batch.to_pylist() == [{"B": "a,;|", "A": 1}, {"B": "b", "A": 2}]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.decimal128(18, 2), pa.decimal128(5, 4), pa.decimal128(20, 4)),
        (pa.decimal128(38, 0), pa.decimal128(38, 30), pa.decimal128(38, 30)),
        (pa.int64(), pa.decimal128(5, 2), pa.decimal128(21, 2)),
        (pa.bool_(), TEXT, TEXT),
        (TEXT, pa.date32(), TEXT),
        (pa.date32(), pa.date32(), pa.date32()),
    ],
)
def test_wider_holds_both(one: pa.DataType, other: pa.DataType, both: pa.DataType) -> None:
    assert wider_of(CsvColumn("A", one, one), CsvColumn("A", other, other)).store == both


def test_wider_remembers_how_to_read() -> None:
    plain = CsvColumn("A", pa.int64(), pa.int64())
    through_decimal = CsvColumn("A", pa.decimal128(38, 0), pa.int64())
    assert wider_of(plain, through_decimal) == wider_of(through_decimal, plain) == through_decimal


FIELDS = parse_describe(
    {
        "name": "Everything__c",
        "fields": [
            {"name": "Id", "type": "id"},
            {"name": "Text", "type": "textarea"},
            {"name": "Flag", "type": "boolean"},
            {"name": "Count", "type": "int"},
            {"name": "Amount", "type": "currency", "precision": 18, "scale": 2},
            {"name": "Ratio", "type": "double", "precision": 18, "scale": 15},
            {"name": "Day", "type": "date"},
            {"name": "At", "type": "datetime"},
            {"name": "Clock", "type": "time"},
        ],
    }
)


def decimals(before: int, scale: int) -> st.SearchStrategy[Decimal]:
    unit = Decimal(1).scaleb(-scale)
    limit = 10 ** (before + scale) - 1
    return st.integers(-limit, limit).map(lambda n: n * unit)


VALUES = st.fixed_dictionaries(
    {
        "Id": st.integers(0, 10**15).map("801{:015d}".format),
        "Text": st.none()
        | st.text(st.characters(blacklist_characters="\0", codec="utf-8"), min_size=1)
        | st.sampled_from(["NA", "null", "\n", '"', ",", "\r\n", '",\n"', "01234"]),
        "Flag": st.none() | st.booleans(),
        "Count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "Amount": st.none() | decimals(16, 2),
        "Ratio": st.none() | decimals(3, 15),
        "Day": st.none() | st.dates(),
        "At": st.none()
        | st.datetimes(timezones=st.just(UTC)).map(
            lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
        ),
        "Clock": st.none()
        | st.integers(0, 86_399_999).map(
            lambda ms: (datetime(1, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).time()
        ),
    }
)


def salesforce_csv(rows: list[dict[str, Any]]) -> bytes:
    """As Salesforce writes it."""

    def cell(value: Any) -> str:
        match value:
            case None:
                text = ""
            case bool():
                text = str(value).lower()
            case datetime():
                text = value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
            case time():
                text = value.isoformat(timespec="milliseconds") + "Z"
            case _:
                text = str(value)
        return '"{}"'.format(text.replace('"', '""'))

    lines = (",".join(cell(row[field.name]) for field in FIELDS.fields) for row in rows)
    return "".join(line + "\n" for line in lines).encode()


@given(st.lists(VALUES, max_size=12), st.integers(1, 200))
def test_any_rows_survive(rows: list[dict[str, Any]], block_size: int) -> None:
    header = Header(tuple(f.name for f in FIELDS.fields), ",", quoted=True)
    decoder = Decoder(header, [declared_column(f) for f in FIELDS.fields])
    body = salesforce_csv(rows)
    chunks = [body[i : i + 50] for i in range(0, len(body), 50)]
    got = [
        row
        for block in RowBlocks(chunks, block_size, header, delimited=True)
        for batch in decoder.decode(block)
        for row in batch.to_pylist()
    ]
    assert got == rows
    assert decoder.schema == FIELDS.arrow


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_any_number_survives(numbers: list[Decimal]) -> None:
    got, store = decoded([str(n) for n in numbers], "currency", 18, 2)
    exact = got if store != TEXT else [Decimal(text) for text in got]
    assert exact == numbers
