"""The pages that are generated from code are up to date."""

from __future__ import annotations

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs._site.pages import DOCS, pages

PAGES = pages()
ROOT = DOCS.parent
OUTSIDE_THE_SITE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
WRITTEN = [*OUTSIDE_THE_SITE, *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_says_what_the_code_says(path: str) -> None:
    assert (DOCS / path).read_text("utf-8") == PAGES[path], "run `make docs`"


@pytest.mark.parametrize("page", OUTSIDE_THE_SITE, ids=lambda page: page.name)
def test_a_link_outside_the_site_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_target_of_make_that_a_page_names_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    words = re.findall(r"(?:`|^    )make ([a-z][\w-]*)", page.read_text("utf-8"), re.MULTILINE)
    assert set(words) <= targets


def test_the_first_page_of_the_repository_links_every_page() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "index.md"]
    assert [name for name in pages if f"(docs/{name})" not in readme] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_path_that_a_page_names_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    paths = set(re.findall(r"`((?:src|tests|benchmarks|docs)/[\w./-]*\w)/?`", text))
    missing = {path for path in paths if not (ROOT / path).exists()}
    # add-an-endpoint.md has its reader write this one.
    assert missing <= {"tests/techone/test_billing.py"}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_a_name_of_the_code_in_a_page_is_there(page: Path) -> None:
    names = re.findall(r"`(seil(?:\.[a-z_]+)+(?:\.[A-Za-z]\w+)?)`", page.read_text("utf-8"))
    assert [name for name in names if not _is_known(name)] == []


def _is_known(name: str) -> bool:
    """A module, something in one, or a name of the warehouse, of metadata or of a file."""
    first = name.split(".")[1]
    if not (ROOT / "src" / "seil" / first).exists() and not find_spec(f"seil.{first}"):
        return True
    module, attribute = name, ""
    if find_spec(name.rpartition(".")[0]) and not _is_module(name):
        module, _, attribute = name.rpartition(".")
    return _is_module(module) and (
        not attribute or hasattr(importlib.import_module(module), attribute)
    )


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
