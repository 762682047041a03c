"""Files are decoded, parsed and checked whole, each refusal with its line or row."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from seil.settings import BillingTableSettings
from seil.sf_to_t1.csv_file import CsvFile, FileProfile
from seil.sf_to_t1.refusals import BillingFileError

TEXT = 'Id,Note\n1,"a, ""b"""\n2,"two\r\nlines"\n3,é\n'
ROWS = [["1", 'a, "b"'], ["2", "two\r\nlines"], ["3", "é"]]


def csv_file(folder: Path, content: bytes | str, **settings: Any) -> CsvFile:
    path = folder / "content.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CsvFile("068X", path, BillingTableSettings(**settings))


CONTENTS: dict[str, tuple[bytes, dict[str, str]]] = {
    "utf-8": (TEXT.encode(), {}),
    "with a byte order mark": (TEXT.encode("utf-8-sig"), {}),
    "utf-16": (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
    "utf-16, big-endian": (b"\xfe\xff" + TEXT.encode("utf-16-be"), {"encoding": "utf-16"}),
    "cp1252": (TEXT.encode("cp1252"), {"encoding": "cp1252"}),
    "semicolons": (
        TEXT.replace("Id,", "Id;")
        .replace('1,"', '1;"')
        .replace('2,"', '2;"')
        .replace("3,", "3;")
        .encode(),
        {"delimiter": ";"},
    ),
    "blank lines": (TEXT.replace("\n3", "\n\n3").encode() + b"\n\n", {}),
    "no last line end": (TEXT.encode().rstrip(), {}),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_rows_come_out_exact(tmp_path: Path, case: str) -> None:
    content, settings = CONTENTS[case]
    file = csv_file(tmp_path, content, **settings)
    assert [row.values for row in file.rows()] == ROWS
    assert file.check() == FileProfile(("Id", "Note"), 3, {})
    assert [(n, len(rows)) for n, rows in file.batches(2)] == [(1, 2), (2, 1)]
    assert [(n, rows[0].number) for n, rows in file.batches(2, skip=1)] == [(2, 3)]


REFUSED: dict[str, tuple[bytes | str, dict[str, str], str, str]] = {
    "empty": ("", {}, "header", "not even a header"),
    "blank": ("\n\n", {}, "header", "not even a header"),
    "column without a name": ("A,\n1,2\n", {}, "header", "column 2 has no name"),
    "column twice": ("Id,ID\n1,2\n", {}, "header", "column ID is there twice"),
    "our column": ("Id,B\n1,2\n", {"batch_column": "b"}, "header", "is batch_column"),
    "column of a control": ("Id,\x01B\n1,2\n", {}, "header", "the name of a column"),
    "row too long": ("A,B\n1,2\n\n1,2,3\n", {}, "width", r"row 2 \(line 4\) has 3 values for 2"),
    "row too short": ('A,B\n1,"x\ny"\n1\n', {}, "width", r"row 2 \(line 4\) has 1 values for 2"),
    "quote left open": ('A,B\n1,"x\n', {}, "csv", "line 2 is not CSV: unexpected end of data"),
    "text after a quote": ('A\n"x"y\n', {}, "csv", "line 2 is not CSV"),
    "not utf-8": (b"A\nx\n" + b"\xe9\n", {}, "encoding", "line 3 is not utf-8"),
    "utf-16 as utf-8": (TEXT.encode("utf-16"), {}, "encoding", "line 1 begins as utf-16"),
    "utf-8 as utf-16": (TEXT, {"encoding": "utf-16"}, "encoding", "without the byte order mark"),
    "half a utf-16 unit": (
        "A\nb\n".encode("utf-16") + b"x", {"encoding": "utf-16"}, "encoding", "line 3 is not",
    ),
    "utf-8 as cp1252": (TEXT, {"encoding": "cp1252"}, "encoding", "line 5 is utf-8, encoding is"),
    "not cp1252": (b"A\n\x81\n", {"encoding": "cp1252"}, "encoding", "line 2 is not cp1252"),
    "bom as cp1252": (
        TEXT.encode("utf-8-sig"), {"encoding": "cp1252"}, "encoding", "begins as utf-8",
    ),
    "bell": ("A,B\n1,2\n3,x\x07\n", {}, "characters", r"U\+0007 in row 2 \(line 3\), column B"),
    "nul": ("A\nx\0y\n", {}, "characters", r"U\+0000 in row 1"),
    "noncharacter": ("A\n\uffff\n", {}, "characters", r"U\+FFFF in row 1"),
    "many": ("A\n" + "\x07\n" * 9, {}, "characters", "row 5 .*; and 4 more rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_by_its_place(tmp_path: Path, case: str) -> None:
    content, settings, check, reason = REFUSED[case]
    with pytest.raises(BillingFileError, match=reason) as refused:
        csv_file(tmp_path, content, **settings).check()
    assert (refused.value.check, refused.value.file_id) == (check, "068X")


def test_characters_that_xml_carries_pass(tmp_path: Path) -> None:
    values = "\t<&>]]>'\" \U0001f600\ud7ff\ue000\ufffd"
    file = csv_file(tmp_path, f'A\n"{values.replace(chr(34), chr(34) * 2)}"\n')
    file.check()
    assert [row.values for row in file.rows()] == [[values]]


def test_wrong_byte_is_named_by_line_far_into_the_file(tmp_path: Path) -> None:
    content = b"A\n" + b"\xc3\xa9\n" * 200_000 + b"\xff\n"
    with pytest.raises(BillingFileError, match="line 200,002 is not utf-8"):
        csv_file(tmp_path, content).check()


def test_sums_are_exact_and_of_numbers_alone(tmp_path: Path) -> None:
    text = "Amount,Name,Mixed,Empty\n0.1,a,1,\n0.2,2,x,\n-12345678901234567890.05,3,2,\n,4,,\n"
    profile = csv_file(tmp_path, text).check(with_sums=True)
    assert profile.sums == {"Amount": Decimal("-12345678901234567889.75")}


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    content = b"A,B\n" + b"1,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 30_000
    file = csv_file(tmp_path, content)
    tracemalloc.start()
    for _, _rows in file.batches(300):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(content) / 3
