from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seil.sf_to_dw.ingest import checks
from seil.sf_to_dw.ingest.checks import OpenParquet, UnfitError
from seil.sf_to_dw.ingest.footers import Footer, FooterError, footer_bytes

ROWS = 1000
IN_A_GROUP = 10


def _file(**options: object) -> io.BytesIO:
    table = pa.table(
        {
            "Id": [f"{n:018d}" for n in range(ROWS)],
            "Amount": pa.array([n if n % 7 else None for n in range(ROWS)], pa.decimal128(18, 2)),
            "Price": [n / 3 for n in range(ROWS)],
            "Open": [n % 2 == 0 for n in range(ROWS)],
        }
    ).replace_schema_metadata({"seil.object": "OrderItem"})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=IN_A_GROUP, **options)  # type: ignore[arg-type]
    return sink


FILE = _file()
CONTENT = footer_bytes(FILE)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"write_statistics": False, "use_dictionary": False},
        {"write_page_index": True, "sorting_columns": [pq.SortingColumn(0)]},
        {"store_schema": False, "version": "1.0"},
    ],
)
@pytest.mark.parametrize("size", [1, 5_000, 1 << 30])
def test_slices_hold_the_file(options: dict[str, object], size: int) -> None:
    file = _file(**options)
    whole = pq.ParquetFile(file)
    slices = list(Footer.parse(footer_bytes(file)).slices(size))
    parts = [pq.ParquetFile(file, metadata=metadata) for metadata in slices]
    assert pa.concat_tables([part.read() for part in parts]).equals(whole.read())
    assert sum(metadata.num_row_groups for metadata in slices) == ROWS // IN_A_GROUP
    at_most = {1: ROWS // IN_A_GROUP, 5_000: ROWS // IN_A_GROUP - 1, 1 << 30: 1}
    assert 1 <= len(slices) <= at_most[size]


def test_head_says_what_is_so_of_the_whole_file() -> None:
    head = Footer.parse(CONTENT).head()
    whole = pq.read_metadata(FILE)
    assert head.num_rows == ROWS
    assert head.metadata == whole.metadata
    assert head.schema.equals(whole.schema)
    assert head.num_row_groups == 0


def test_no_row_groups() -> None:
    sink = io.BytesIO()
    pq.ParquetWriter(sink, pa.schema({"Id": pa.string()})).close()
    footer = Footer.parse(footer_bytes(sink))
    assert list(footer.slices(1)) == []
    assert footer.head().num_rows == 0


@settings(deadline=None)
@given(st.integers(0, Footer.parse(CONTENT).ends[-1] - 1))
def test_cut_footer_is_refused(size: int) -> None:
    with pytest.raises(FooterError):
        Footer.parse(CONTENT[:size])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused_or_walked(content: bytes) -> None:
    try:
        Footer.parse(content)
    except FooterError as error:
        assert "footer" in str(error)  # noqa: PT017 (whatever it is, it ends)


def test_number_without_an_end_is_refused() -> None:
    with pytest.raises(FooterError, match="64 bits"):
        Footer.parse(b"\x18" + b"\xff" * 100_000)


def test_large_footer_gives_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = list(checks.batches(OpenParquet(FILE), rows=300, step_bytes=1 << 20))
    monkeypatch.setattr(checks, "_LARGE_FOOTER", 100)
    monkeypatch.setattr(checks, "_FOOTER_SLICE", 2_000)
    opened = OpenParquet(FILE)
    sliced = list(checks.batches(opened, rows=300, step_bytes=1 << 20))
    assert len(list(opened.parts())) > 5
    assert pa.Table.from_batches(sliced).equals(pa.Table.from_batches(plain))
    assert opened.metadata[b"seil.object"] == b"OrderItem"


def test_large_footer_of_garbage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_LARGE_FOOTER", 10)
    content = b"PAR1" + b"\x99" * 100 + (80).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(UnfitError, match="cannot be read"):
        OpenParquet(io.BytesIO(content))
