from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seil.sandbox.salesforce.bodies import chunks
from seil.sandbox.salesforce.csv_text import DELIMITERS, LINE_ENDINGS, Dialect, LineFile, line_sql
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.translate import SelectedColumn

TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)
DIALECTS = st.tuples(st.sampled_from(sorted(DELIMITERS)), st.sampled_from(sorted(LINE_ENDINGS)))


def _written(
    folder: Path, dialect: Dialect, columns: list[SelectedColumn], rows: pa.Table
) -> tuple[LineFile, int]:
    with duckdb.connect() as connection:
        connection.register("given", rows)
        statement = connection.execute(f"SELECT {line_sql(columns, dialect)} FROM given")
        lines = LineFile(folder / "rows.csv", folder / "rows.index")
        return lines, lines.write(statement)


@pytest.mark.parametrize(
    ("kind", "sql", "text"),
    [
        ("string", "'say \"hi\", \\ done'", '"say ""hi"", \\ done"'),
        ("string", "NULL::VARCHAR", '""'),
        ("string", "'null'", '"null"'),
        ("textarea", "chr(10) || chr(13)", '"\n\r"'),
        ("boolean", "true", '"true"'),
        ("boolean", "NULL::BOOLEAN", '""'),
        ("datetime", "TIMESTAMP '2024-01-01 00:00:00.5'", '"2024-01-01T00:00:00.500Z"'),
        ("datetime", "NULL::TIMESTAMP", '""'),
        ("date", "DATE '2024-02-29'", '"2024-02-29"'),
        ("time", "TIME '08:30:00'", '"08:30:00.000Z"'),
        ("int", "-7::BIGINT", '"-7"'),
        ("currency", "1234567890123456.78::DECIMAL(18,2)", '"1234567890123456.78"'),
        ("double", "5::DECIMAL(18,0)", '"5"'),
        ("id", "'001'", '"001"'),
    ],
)
def test_line_sql_writes(kind: str, sql: str, text: str) -> None:
    with duckdb.connect() as connection:
        line = line_sql([SelectedColumn(("A",), kind, "x")], Dialect())
        row = connection.execute(f"SELECT {line} FROM (SELECT {sql} AS x)").fetchone()
    assert row == (text + "\n",)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20), DIALECTS)
def test_lines_read_back_as_written(
    tmp_path: Path, rows: list[tuple[str, str]], names: tuple[str, str]
) -> None:
    dialect = Dialect.of(*names)
    table = pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows]})
    columns = [SelectedColumn(("A",), "string", "a"), SelectedColumn(("B",), "string", "b")]
    lines, count = _written(tmp_path, dialect, columns, table)
    assert count == len(rows)
    text = lines.body.read_bytes().decode()
    assert list(csv.reader(io.StringIO(text, ""), delimiter=dialect.delimiter)) == [
        list(row) for row in rows
    ]
    read = pa_csv.read_csv(
        lines.body,
        read_options=pa_csv.ReadOptions(column_names=["a", "b"]),
        parse_options=pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()}),
    )
    assert read.to_pylist() == table.to_pylist()
    assert lines.body.read_bytes().endswith(dialect.line_ending.encode())


def test_every_page_is_the_rows_it_names(tmp_path: Path) -> None:
    table = pa.table({"a": [f"line\n{n}" * (n % 7) for n in range(25_000)]})
    lines, count = _written(tmp_path, Dialect(), [SelectedColumn(("A",), "string", "a")], table)
    assert count == 25_000
    for first, last in ((0, 1), (9_999, 10_002), (24_990, 25_000), (5, 5)):
        page = b"".join(chunks(lines.page(b'"A"\n', first, last))).decode()
        read = list(csv.reader(io.StringIO(page, "")))
        assert read[0] == ["A"]
        assert read[1:] == [[value] for value in table["a"].to_pylist()[first:last]]


def test_no_rows_make_an_empty_page(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([], pa.string())})
    lines, count = _written(tmp_path, Dialect(), [SelectedColumn(("A",), "string", "a")], table)
    assert count == 0
    assert b"".join(chunks(lines.page(b"head", 0, 0))) == b"head"


def test_a_page_whose_file_was_cut_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    table = pa.table({"a": ["one", "two"]})
    lines, _ = _written(tmp_path, Dialect(), [SelectedColumn(("A",), "string", "a")], table)
    page = lines.page(b"", 0, 2)
    lines.body.write_bytes(b'"one"')
    with pytest.raises(OSError, match=r"rows\.csv ends at 5, before 12"):
        list(chunks(page))


@pytest.mark.parametrize("names", [("COLON", "LF"), ("COMMA", "CR")])
def test_dialect_unknown(names: tuple[str, str]) -> None:
    with pytest.raises(OrgApiError, match="is none of"):
        Dialect.of(*names)
