from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest


def seil(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seil", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    done = seil(folder, "demo", "--orders", "60", "--quiet")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def numbers(line: str) -> list[int]:
    return [int(word.replace(",", "")) for word in line.split() if re.fullmatch(r"[\d,]+", word)]


def table(text: str, first_column: str) -> list[str]:
    """The lines below the header that starts with `first_column`, up to an empty one."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(first_column + " "))
    return lines[start + 1 : lines.index("", start) if "" in lines[start:] else None]


def test_ledger_of_every_object_is_equal(shown: tuple[Path, str]) -> None:
    lines = [line for line in table(shown[1], "object") if "accounted for" not in line]
    assert len(lines) == 33
    for line in lines:
        full, delta, reported, landed, curated, set_aside, merged = numbers(line)
        assert line.endswith("equal")
        assert full + delta == reported == landed == curated + set_aside
        assert curated == merged
    assert "all of them accounted for" in shown[1]


def test_sixteen_tables_stay_in_a_file(shown: tuple[Path, str]) -> None:
    folder, text = shown
    said = {line.split()[0]: numbers(line)[-1] for line in table(text, "table")}
    assert len(said) == 16
    with duckdb.connect(str(folder / "demo" / "warehouse.duckdb"), read_only=True) as warehouse:
        found = {name: warehouse.table(name).count("*").fetchall()[0][0] for name in said}
    assert said == found


def test_query_of_recent_orders_answers(shown: tuple[Path, str]) -> None:
    assert "order_id" in shown[1]
    assert numbers(table(shown[1], "order_id")[0])


def test_what_to_try_next_works(shown: tuple[Path, str]) -> None:
    folder, text = shown
    tries = [line.split("  ")[0] for line in table(text, "command")]
    offline = [line for line in tries if any(w in line for w in ("query", "status", "lineage"))]
    assert len(offline) == 3
    for line in offline:
        done = subprocess.run(
            line.replace("seil", f"{sys.executable} -m seil", 1),
            shell=True,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("irreplaceable")
    done = seil(tmp_path, "demo", "--orders", "5")
    assert done.returncode == 2
    assert "holds other things" in done.stderr
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "irreplaceable"
