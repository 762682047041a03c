"""Where rows end, and the bytes they are made of."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seil.salesforce.rows as rows_module
from seil.errors import ObjectRejectedError, UnavailableError
from seil.salesforce.body import clean_body
from seil.salesforce.rows import Header, RowBlocks, header_line, rows_end
from seil.salesforce.schema import parse_describe

HEADER = Header(("A", "B"), ",", quoted=True)
NASTY = st.text(alphabet='"\n\r,;aé\x00\U0001f600', max_size=6)


def written(rows: list[list[str]], *, minimal: bool = False, end: str = "\n") -> bytes:
    text = io.StringIO()
    if minimal:
        csv.writer(text, lineterminator=end).writerows(rows)
    else:
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    return text.getvalue().encode()


@given(
    rows=st.lists(st.lists(NASTY, min_size=2, max_size=2), min_size=1, max_size=20),
    minimal=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    data=st.data(),
)
def test_blocks_hold_whole_rows(
    rows: list[list[str]], minimal: bool, end: str, data: st.DataObject
) -> None:
    body = written(rows, minimal=minimal, end=end)
    boundaries = {len(written(rows[:n], minimal=minimal, end=end)) for n in range(len(rows) + 1)}
    step = data.draw(st.integers(1, 40))
    chunks = [body[i : i + step] for i in range(0, len(body), step)]
    size = data.draw(st.integers(1, 60))
    blocks = list(RowBlocks(chunks, size, HEADER, delimited=True))
    position = 0
    for block in blocks:
        position += len(block)
        assert position in boundaries
    assert b"".join(blocks) == body


@given(st.lists(st.lists(NASTY, min_size=2, max_size=2), max_size=8), st.integers(1, 60))
def test_memory_given_back_changes_nothing(rows: list[list[str]], size: int) -> None:
    body = written(rows)
    blocks = RowBlocks([body], size, HEADER, delimited=True)
    seen = []
    for block in blocks:
        seen.append(bytes(block))
        blocks.release(block)
    assert b"".join(seen) == body


def test_memory_given_back_serves_again() -> None:
    blocks = RowBlocks([b'"a","b"\n' * 100], 64, HEADER, delimited=True)
    buffers = set()
    for block in blocks:
        buffers.add(id(block.obj))
        blocks.release(block)
    assert len(buffers) <= 3


@given(st.lists(st.lists(NASTY, min_size=2, max_size=2), min_size=1, max_size=8), st.data())
def test_row_end_is_found(rows: list[list[str]], data: st.DataObject) -> None:
    body = written(rows)
    cut = data.draw(st.integers(0, len(body)))
    ends = [len(written(rows[: n + 1])) for n in range(len(rows))]
    there = [end for end in ends if end <= cut]
    assert rows_end(body[:cut]) in (there or [0])


def test_rows_end_without_a_quick_boundary() -> None:
    assert rows_end(b'"a","x\n\n\n\n\n\n\n\n\n\n"\n"b","') == 18
    assert rows_end(b"a,b\nc,d\ne") == 8
    assert rows_end(b'"",""\n' * 20 + b'"",') == 120
    assert rows_end(b'"a","never ends\n') == 0


@pytest.mark.parametrize(
    ("tail", "delimited"),
    [
        (b'"1","cut', True),
        (b'"1","cut\n', True),
        (b'"1","cut', False),
        (b'"1","whole?"', False),
        (b'"1","x"\n"2",', True),
    ],
)
def test_cut_rows_are_noticed(tail: bytes, delimited: bool) -> None:
    with pytest.raises(UnavailableError, match="truncated"):
        list(RowBlocks([tail], 100, HEADER, delimited=delimited))


@pytest.mark.parametrize("tail", [b'"1","x"', b'"1","x"\n', b'"1","x"\r\n'])
def test_last_line_end_may_lack_where_http_vouches(tail: bytes) -> None:
    assert list(RowBlocks([tail], 100, HEADER, delimited=True)) == [tail]


def test_row_without_end_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_LARGEST_ROW", 1000)
    endless: Iterator[bytes] = (b'"' + b"x" * 99 for _ in iter(int, 1))
    with pytest.raises(UnavailableError, match="damaged: a row of more than"):
        list(RowBlocks((b"x" * 100 for _ in endless), 10, HEADER, delimited=True))


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b'"Id","Name"', Header(("Id", "Name"), ",", quoted=True)),
        (b'"Id"\t"Name"\r', Header(("Id", "Name"), "\t", quoted=True)),
        (b"Id|Owner.Name", Header(("Id", "Owner.Name"), "|", quoted=False)),
        (b'"Id"^"My_Field__c"', Header(("Id", "My_Field__c"), "^", quoted=True)),
        (b"Id;Name", Header(("Id", "Name"), ";", quoted=False)),
        (b"Id`Name", Header(("Id", "Name"), "`", quoted=False)),
        (b'"Id"', Header(("Id",), ",", quoted=True)),
        (b"", Header((), ",", quoted=False)),
    ],
)
def test_header(line: bytes, header: Header) -> None:
    assert Header.parse(line) == header


def test_header_takes_the_schema_s_spelling_and_names_what_lacks() -> None:
    names = ("Id", "Name", "Amount__c")
    schema = parse_describe(
        {"name": "Lead", "fields": [{"name": n, "type": "string"} for n in names]}
    )
    parsed = Header(("NAME", "Extra", "amount__C", "id"), ",", quoted=True)
    assert parsed.with_spelling(schema).names == ("Name", "Extra", "Amount__c", "Id")
    with pytest.raises(ObjectRejectedError, match="Lead: the result has no column Name, Amount__c"):
        Header(("Id",), ",", quoted=True).with_spelling(schema)


@given(st.binary(max_size=30), st.integers(1, 5))
def test_header_line_is_the_first_line(body: bytes, step: int) -> None:
    chunks = iter([body[i : i + step] for i in range(0, len(body), step)])
    line, rest = header_line(chunks)
    assert line + rest + b"".join(chunks) == body
    assert line.find(b"\n") in (-1, len(line) - 1)
    assert line.endswith(b"\n") == (b"\n" in body)


def response(
    body: bytes, step: int = 3, content_type: str = "text/csv; charset=UTF-8", encoding: str = ""
) -> httpx.Response:
    chunks = (body[i : i + step] for i in range(0, len(body), step))
    headers = {"Content-Type": content_type} | ({"Content-Encoding": encoding} if encoding else {})
    return httpx.Response(200, headers=headers, content=chunks)


def clean(response: httpx.Response) -> bytes:
    return b"".join(clean_body(response))


@given(st.text(), st.integers(1, 4), st.booleans(), st.booleans())
def test_body_is_utf8_whatever_the_chunks(text: str, step: int, mark: bool, zipped: bool) -> None:
    sent = (codecs.BOM_UTF8 if mark else b"") + text.encode()
    packed = gzip.compress(sent) if zipped else sent
    got = clean(response(packed, step, encoding="gzip" if zipped else ""))
    assert got == sent.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"")


@pytest.mark.parametrize(
    ("content_type", "sent"),
    [
        ("text/csv; charset=ISO-8859-1", "Zoë, £5".encode("latin-1")),
        ('text/csv; charset="iso-8859-1"', "Zoë, £5".encode("latin-1")),
        ("text/csv; charset=utf-16", "Zoë, £5".encode("utf-16")),
        ("text/csv; charset=utf8", "Zoë, £5".encode()),
        ("text/csv", "Zoë, £5".encode()),
        ("", "Zoë, £5".encode()),
    ],
)
def test_declared_charset_is_recoded(content_type: str, sent: bytes) -> None:
    assert clean(response(sent, 1, content_type)) == "Zoë, £5".encode()


@pytest.mark.parametrize("name", ["klingon", "base64"])
def test_unknown_charset(name: str) -> None:
    with pytest.raises(UnavailableError, match=f"unknown character set {name}"):
        clean(response(b"x", 1, f"text/csv; charset={name}"))


def test_bytes_that_are_not_of_the_charset() -> None:
    with pytest.raises(UnavailableError, match="damaged: not ascii"):
        clean(response("é".encode(), 1, "text/csv; charset=ascii"))


def test_gzip_members_in_a_row() -> None:
    sent = gzip.compress(b"one ") + gzip.compress(b"two")
    assert clean(response(sent, 5, encoding="gzip")) == b"one two"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (gzip.compress(b"x" * 999, mtime=0)[:-9], "the gzip stream breaks off"),
        (b"plain text", "not gzip"),
        (b"", "the gzip stream breaks off"),
    ],
)
def test_damaged_gzip(sent: bytes, words: str) -> None:
    with pytest.raises(UnavailableError, match=words):
        clean(response(sent, encoding="gzip"))
