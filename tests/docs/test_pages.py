"""The pages that are generated from code are up to date."""

from __future__ import annotations

import pytest
from docs._site.pages import DOCS, pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_says_what_the_code_says(path: str) -> None:
    assert (DOCS / path).read_text("utf-8") == PAGES[path], "run `make docs`"
