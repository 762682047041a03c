"""The docs build into a site: every link leads somewhere, diagrams match their source."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.limits import HANGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOOLS = ROOT / ".venv-docs" / "bin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command: list[str | Path] = [
        TOOLS / "sphinx-build",
        "-q",
        "-W",
        "--keep-going",
        "-c",
        DOCS / "_site",
    ]
    built = subprocess.run(
        [*command, DOCS, folder], capture_output=True, text=True, check=False, timeout=HANGS
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_in_the_site_and_can_be_searched(site: Path) -> None:
    pages = {page.stem for page in DOCS.glob("*.md")}
    assert {page.stem for page in site.glob("*.html")} >= pages
    assert "ledger" in (site / "searchindex.js").read_text("utf-8")


def test_the_site_needs_no_network(site: Path) -> None:
    for page in site.glob("*.html"):
        text = page.read_text("utf-8")
        assert 'src="http' not in text, page.name
        assert 'rel="stylesheet" href="http' not in text, page.name


@pytest.mark.parametrize("source", sorted(DOCS.glob("diagrams/*.d2")), ids=lambda path: path.stem)
def test_a_diagram_is_drawn_from_its_source(tmp_path: Path, source: Path) -> None:
    drawn = tmp_path / "drawn.svg"
    command: list[str | Path] = [
        TOOLS / "d2",
        "--omit-version",
        "--layout",
        "elk",
        "--pad",
        "20",
        "-t",
        "0",
        source,
        drawn,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=HANGS)
    assert source.with_suffix(".svg").read_bytes() == drawn.read_bytes()
