from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from tests.cli.conftest import Seil
from tests.extras import run

from seil.catalog import load_catalog
from seil.cli.demo_folder import MARK, DemoFolder
from seil.cli.demo_ledger import NAME_WIDTH
from seil.cli.output import shortened


@pytest.fixture(scope="module")
def demo_output(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """With what `make demo` installs."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(folder, "demo", "--orders", "60", "--quiet", extras={"sandbox"})
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def numbers(line: str) -> list[int]:
    return [int(word.replace(",", "")) for word in line.split() if re.fullmatch(r"[\d,]+", word)]


def table(text: str, first_column: str) -> list[str]:
    """The lines below the header that starts with `first_column`, up to an empty one."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(first_column + " "))
    return lines[start + 1 : lines.index("", start) if "" in lines[start:] else None]


def test_ledger_of_every_object_is_equal(demo_output: tuple[Path, str]) -> None:
    lines = table(demo_output[1], "object")[:33]
    for line in lines:
        full, delta, other, reported, aside, merged = numbers(line[33:])
        assert full + delta + other == reported == merged + aside
    assert sum(numbers(line[33:])[2] for line in lines) > 0
    total = sum(numbers(line[33:])[3] for line in lines)
    assert f"{total:,} rows reported, all of them accounted for:" in demo_output[1]


def test_ledger_names_objects_in_the_order_of_the_catalog(demo_output: tuple[Path, str]) -> None:
    names = [re.split("  +", line)[0] for line in table(demo_output[1], "object")[:33]]
    assert names == [shortened(name, NAME_WIDTH) for name in load_catalog(None)]
    assert len(set(names)) == 33


def test_everything_fits_80_characters(demo_output: tuple[Path, str]) -> None:
    assert [line for line in demo_output[1].splitlines() if len(line) > 80] == []


def test_no_order_is_of_a_day_to_come(demo_output: tuple[Path, str]) -> None:
    with duckdb.connect(
        str(demo_output[0] / "demo" / "warehouse.duckdb"), read_only=True
    ) as warehouse:
        [(last,)] = warehouse.sql("SELECT max(order_date) FROM sales_orders").fetchall()
    assert last <= datetime.now(UTC).date()


def test_sixteen_tables_stay_in_a_file(demo_output: tuple[Path, str]) -> None:
    folder, text = demo_output
    printed = {line.split()[0]: numbers(line)[-1] for line in table(text, "table")}
    assert len(printed) == 16
    with duckdb.connect(
        str(folder / "demo" / "warehouse.read.duckdb"), read_only=True
    ) as warehouse:
        stored = {name: warehouse.table(name).count("*").fetchall()[0][0] for name in printed}
    assert printed == stored


def test_plan_of_a_push_has_three_fields(demo_output: tuple[Path, str]) -> None:
    rows = [re.split("  +", line) for line in table(demo_output[1], "key")]
    assert [(row[1], row[-1]) for row in rows] == [
        ("AnnualRevenue", "yes"),
        ("Description", "yes"),
        ("Rating", "yes"),
    ]


def test_everything_it_left_is_cleared_for_the_next(
    demo_output: tuple[Path, str], tmp_path: Path
) -> None:
    folder = shutil.copytree(demo_output[0] / "demo", tmp_path / "demo")
    assert DemoFolder(folder).clear() == "finished"
    assert list(folder.iterdir()) == []


def test_query_of_recent_orders_answers(demo_output: tuple[Path, str]) -> None:
    assert "order_id" in demo_output[1]
    assert numbers(table(demo_output[1], "order_id")[0])


def test_an_impression_comes_back(demo_output: tuple[Path, str]) -> None:
    (row,) = table(demo_output[1], "ad_server_line")
    impressions, clicks = numbers(row)[-2:]
    assert impressions > clicks > 0


def test_what_to_try_next_works(demo_output: tuple[Path, str]) -> None:
    folder, text = demo_output
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


def made_demo(folder: Path) -> Path:
    """What a demo that was broken off leaves, with its org and lake."""
    demo = DemoFolder(folder / "demo")
    demo.clear()
    demo.config.write_text(f"{MARK}\n")
    demo.catalog.write_text(f"{MARK}\n")
    landing = demo.path / "lake" / "seil-dev-sf-to-dw-landing"
    run = landing / "in" / "dev-Salesforce-Account" / "20261129T224444Z-5200309d"
    for path in (run / "a.parquet", demo.path / "org" / "org.duckdb", demo.path / "feed" / "x.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return demo.path


@pytest.mark.parametrize(("ends", "was"), [(True, "finished"), (False, "broken off")])
def test_next_demo_starts_over_and_says_so(tmp_path: Path, ends: bool, was: str) -> None:
    demo = DemoFolder(made_demo(tmp_path))
    if ends:
        demo.finish()
    assert demo.clear() == was
    assert list(demo.path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "notes.sql",
        "seil.toml",
        "warehouse.xlsx",
        "lake/seil-dev-sf-to-dw-landing/in/dev-Salesforce-Account/mine/x.parquet",
    ],
)
def test_a_file_that_no_demo_has_made_is_never_removed(seil: Seil, home: Path, name: str) -> None:
    demo = made_demo(home)
    before = sorted(demo.rglob("*"))
    (demo / name).parent.mkdir(parents=True, exist_ok=True)
    (demo / name).write_text("irreplaceable")
    refused = seil("demo", "--orders", "5")
    assert refused.code == 2
    assert f"holds what no demo has made: {name}" in refused.err
    assert (demo / name).read_text() == "irreplaceable"
    assert set(before) <= set(demo.rglob("*"))


def test_folder_that_is_a_file_is_named(seil: Seil, home: Path) -> None:
    (home / "demo").write_text("irreplaceable")
    refused = seil("demo", "--orders", "5")
    assert refused.code == 2
    assert "demo: is a file, not a folder" in refused.err


@pytest.mark.parametrize("name", ["file/below", "dangling"])
def test_folder_that_cannot_be_made_is_named_with_the_way_out(
    seil: Seil, home: Path, name: str
) -> None:
    (home / "file").touch()
    (home / "dangling").symlink_to("nowhere")
    refused = seil("demo", "--orders", "5", "--folder", name)
    assert refused.code == 2
    assert f"{name}: cannot be made: " in refused.err
    assert "(name another folder with --folder)" in refused.err


@pytest.mark.parametrize(
    ("options", "again"),
    [
        pytest.param([], "demo stays; the next `seil demo`", marks=pytest.mark.matrix, id="usual"),
        pytest.param(["--folder", "a b"], "`seil demo --folder 'a b'`", id="another folder"),
    ],
)
def test_interrupted_demo_ends_with_130_and_one_line(
    tmp_path: Path, options: list[str], again: str
) -> None:
    command = [sys.executable, "-m", "seil", "demo", "--orders", "60", "--quiet", *options]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout
        assert demo.stderr
        demo.stdout.readline()  # The org is made; the full load begins.
        demo.send_signal(signal.SIGINT)
        message = demo.stderr.read()
    assert demo.returncode == 130
    assert re.fullmatch(rf"interrupted\. .*{re.escape(again)} starts over\n", message)
