"""Values in the SQL that the stand-in writes."""

from __future__ import annotations

import duckdb
import pytest

from seil.sandbox.salesforce.values import text_literal

BLANKS = "it\u2019s\u00a0\u2003not\u3000plain\n'"
TEXTS = ["", "it's", "a\\b", "it's\na\tline\r", "\\'", BLANKS, "'\u00a0\\"]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_a_text_is_read_back_as_it_was(text: str) -> None:
    """The engine makes Unicode blanks plain where a quote in it is escaped by a backslash."""
    rows = duckdb.connect().execute(f"SELECT {text_literal(text)}").fetchall()
    assert rows == [(text,)]
