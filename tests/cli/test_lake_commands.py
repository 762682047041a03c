"""From files that another tool made to tables one can query, without an org."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.limits import HANGS

from seil.lake import Lake
from seil.settings import load_settings
from seil.sf_to_dw.lock import run_lock

Seil = Callable[..., Any]
MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that some other tool filled: accounts, orders, rubbish, and a page of text."""
    folder = tmp_path_factory.mktemp("exported")
    common = {
        "SystemModstamp": [MODIFIED] * 2,
        "CreatedDate": [MODIFIED] * 2,
        "IsDeleted": [False] * 2,
    }
    accounts = {"Id": ["001A", "001B"], "Name": ["Müller, “North”", "\x1b[31mRed"], **common}
    orders = {
        "Id": ["801A", "801B"],
        "OrderNumber": ["00000100", "00000101"],
        "AccountId": ["001A", "001X"],
        "TotalAmount": [Decimal("1234.50"), None],
        **common,
    }
    pq.write_table(pa.table(accounts), folder / "Account.parquet")
    pq.write_table(pa.table(orders), folder / "Order.parquet")
    (folder / "Contact.parquet").write_bytes(b"garbage " * 20)
    (folder / "notes.txt").write_text("not for the lake")
    return folder


@pytest.fixture(scope="module")
def loaded_home(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which those files were taken in, loaded and built."""
    from typer.testing import CliRunner

    from seil.cli.app import app

    home = tmp_path_factory.mktemp("loaded")
    (home / "seil.toml").write_text("")
    config = str(home / "seil.toml")
    runner = CliRunner()
    ingested = runner.invoke(app, ["-c", config, "ingest", "--from", str(exported), "--json"])
    assert ingested.exit_code == 1
    for step in ("load", "build"):
        assert runner.invoke(app, ["-c", config, step, "--quiet"]).exit_code == 0
    return home


@pytest.fixture
def loaded(loaded_home: Path, home: Path) -> Path:
    shutil.copytree(loaded_home, home, dirs_exist_ok=True)
    return home


def test_ingest_takes_the_good_and_names_the_rest(seil: Seil, exported: Path) -> None:
    ran = seil("ingest", "--from", str(exported))
    assert ran.code == 1
    assert "Import: 3 files copied in, 0 known before" in ran.out
    assert f"left where it is: {exported}/notes.txt: is not Parquet" in ran.out
    assert "Ingest: 2 files ingested, 4 rows curated, 0 set aside, 1 file rejected" in ran.out
    assert "the file is not Parquet: it begins with b'garb'" in ran.out
    again = seil("ingest", "--from", str(exported / "Order.parquet"))
    assert "Import: 0 files copied in, 1 known before" in again.out
    assert again.code == 0


def test_ingest_of_a_file_that_does_not_identify_its_object(
    seil: Seil, exported: Path, home: Path
) -> None:
    shutil.copy(exported / "Account.parquet", home / "dump.parquet")
    ran = seil("ingest", "--from", "dump.parquet", "--object", "Account", "--json")
    assert ran.code == 0
    [imported] = ran.json["imported"]
    assert (imported["state"], imported["object"]) == ("landed", "Account")
    [file] = ran.json["files"]
    assert (file["state"], file["object"], file["curated_rows"]) == ("success", "Account", 2)


def test_ingest_from_here_passes_over_seils_own_and_what_is_no_parquet(
    seil: Seil, exported: Path, home: Path
) -> None:
    shutil.copy(exported / "Account.parquet", home)
    (home / "README.txt").write_text("hello")
    assert seil("ingest", "--from", ".").code == 0
    again = seil("ingest", "--from", ".")
    assert again.code == 0
    lines = again.out.splitlines()
    assert lines[0] == "Import: 0 files copied in, 1 known before"
    assert "  left where it is: README.txt: is not Parquet" in lines
    assert "  left where it is: seil-data/journal.sqlite: is SEIL's own" in lines
    buckets = [line for line in lines if line.endswith("sf-to-dw-landing: is SEIL's own")]
    assert len(buckets) == 1


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("stuff.parquet", [], 1),
        ("README.txt", [], 0),
        ("README.txt", ["--object", "Account"], 1),
        ("stuff.parquet", ["--object", "Account"], 0),
    ],
    ids=["unplaced", "no Parquet", "nothing of the object", "placed by hand"],
)
def test_ingest_from_fails_when_something_is_missing(
    seil: Seil, exported: Path, home: Path, name: str, options: list[str], code: int
) -> None:
    (home / "x").mkdir()
    if name.endswith(".parquet"):
        shutil.copy(exported / "Account.parquet", home / "x" / name)
    else:
        (home / "x" / name).write_text("hello")
    ran = seil("ingest", "--from", "x", *options)
    assert ran.code == code
    assert ran.out.startswith("Import: ")


def test_ingest_of_one_object_leaves_the_others(seil: Seil, exported: Path) -> None:
    seil("ingest", "Order", "--from", str(exported))
    waiting = seil("files", "--state", "in", "--json").json["files"]
    assert {file["landing_name"] for file in waiting} == {"Account", "Contact"}


def test_load_and_build_report_what_they_did(seil: Seil, exported: Path) -> None:
    seil("ingest", "--from", str(exported), "--quiet")
    loaded = seil("load", "order")
    assert (loaded.code, loaded.out.splitlines()[0]) == (
        0,
        "Load: 1 file, 2 rows: 2 inserted",
    )
    [entry] = [entry for entry in seil("load", "--json").json["objects"] if entry["files"]]
    assert (entry["object"], entry["inserted"], entry["errors"]) == ("Account", 2, [])
    built = seil("build", "sales_orders")
    assert built.code == 0
    assert "Build: 2 of 2 tables built, 2 rows" in built.out
    assert "salesforce.quote has not been loaded: read as empty" in built.out
    [table, stages] = seil("build", "sales_orders", "--json").json["tables"]
    assert stages["table"] == "sales_stages"
    assert (table["table"], table["state"], table["rows"]) == ("sales_orders", "built", 2)


def test_query_prints_a_table(seil: Seil, loaded: Path) -> None:
    ran = seil("query", "SELECT order_id, account_name, total_amount FROM sales_orders ORDER BY 1")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["order_id", "account_name", "total_amount"],
        ["00000100", "Müller,", "“North”", "1234.50"],
        ["00000101"],
    ]


def test_query_keeps_a_terminal_safe(seil: Seil, loaded: Path) -> None:
    ran = seil("query", "SELECT name FROM salesforce.account WHERE id = '001B'")
    assert ran.out == "name\n\\x1b[31mRed\n"


def test_query_as_json_and_csv(seil: Seil, loaded: Path) -> None:
    sql = "SELECT order_id, total_amount, created_at FROM sales_orders ORDER BY 1"
    rows = seil("query", sql, "--json").json["rows"]
    assert rows == [
        {
            "order_id": "00000100",
            "total_amount": "1234.50",
            "created_at": "2026-11-01T00:00:00+00:00",
        },
        {"order_id": "00000101", "total_amount": None, "created_at": "2026-11-01T00:00:00+00:00"},
    ]
    lines = seil("query", sql, "--csv").out.splitlines()
    assert list(csv.reader(lines)) == [
        ["order_id", "total_amount", "created_at"],
        ["00000100", "1234.50", "2026-11-01T00:00:00+00:00"],
        ["00000101", "", "2026-11-01T00:00:00+00:00"],
    ]
    assert seil("query", "SELECT 1 AS a WHERE false", "--json").json["rows"] == []
    assert seil("query", "SELECT true AS a", "--csv").out == "a\ntrue\n"


def test_query_shows_a_hundred_rows_by_default(seil: Seil, loaded: Path) -> None:
    sql = "SELECT range AS n FROM range(101)"
    short = seil("query", sql).out.splitlines()
    assert (len(short), short[-1]) == (102, "The first 100 rows; --limit 0 shows all.")
    assert len(seil("query", sql, "--limit", "0").out.splitlines()) == 102
    assert len(seil("query", sql, "--limit", "7").out.splitlines()) == 8
    assert len(seil("query", sql, "--json").json["rows"]) == 101
    assert len(seil("query", sql, "--json", "--limit", "3").json["rows"]) == 3


def test_query_prints_wide_rows_a_line_a_value(seil: Seil, loaded: Path) -> None:
    out = seil("query", "FROM salesforce.account ORDER BY id LIMIT 1").out.splitlines()
    assert out[0] == "row 1"
    assert out[1].split() == ["id", "001A"]


def test_query_takes_what_duckdb_runs_as_several_statements(seil: Seil, loaded: Path) -> None:
    sql = "PIVOT (SELECT 'x' AS b, 2 AS n) ON b USING max(n)"
    assert seil("query", sql, "--json").json["rows"] == [{"x": 2}]


def test_query_reads_stdin(loaded: Path) -> None:
    from typer.testing import CliRunner

    from seil.cli.app import app

    ran = CliRunner().invoke(app, ["query", "-", "--csv"], input="SELECT 1 AS one")
    assert ran.stdout == "one\n1\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["query", "SELEC 1"], 2, 'syntax error at or near "SELEC"'),
        (["query", "SELECT * FROM sales_order"], 2, "Table with name sales_order does not exist"),
        (["query", "DROP TABLE sales_orders"], 2, "read-only mode"),
        (["query", "SELECT 1; SELECT 2"], 2, "it holds 2 queries; run them one by one"),
        (["query", "SELECT * FROM read_csv('/etc/passwd')"], 2, "disabled"),
        (["query", "SELECT 1", "--csv", "--json"], 2, "--csv or --json, not both"),
        (["build", "sales_order"], 2, "did you mean"),
        (["load", "Leed"], 2, "Leed: is not an object of the catalog"),
        (["ingest", "--from", "nowhere"], 2, "nowhere: no such folder"),
        (["ingest", "--object", "Order"], 2, "--object goes with --from"),
        (["lineage", "sales_orders.acount_name"], 2, "did you mean"),
        (["lineage", "--down", "Acount"], 2, "did you mean"),
        (["export", "feed", "Sales"], 2, "Sales: is not a feed"),
        (["files", "--object", "Leed"], 2, "Leed: is not an object of the catalog"),
        (["files", "retry"], 2, "name keys, or --object, or --all"),
        (["run", "--every", "soon"], 2, "'soon' is no interval; write 90s, 10m, 1h or 1d"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_reported(
    seil: Seil, loaded: Path, arguments: list[str], code: int, message: str
) -> None:
    ran = seil(*arguments)
    assert ran.code == code
    assert ran.out == "" or "--json" in arguments
    assert message in ran.err


def test_a_warehouse_that_is_not_there(seil: Seil) -> None:
    ran = seil("query", "SELECT 1")
    assert ran.code == 3
    assert "Load something first: `seil run`" in ran.err


def test_a_run_under_way_keeps_the_steps_out(seil: Seil, loaded: Path) -> None:
    settings = load_settings()
    lake = Lake.at(settings.lake.url, env=settings.env, project=settings.project)
    with run_lock(lake):
        for step in (["load"], ["build"], ["ingest"], ["extract"], ["files", "retry", "--all"]):
            ran = seil(*step)
            assert ran.code == 5, step
            assert ran.err.startswith("error: Another run holds ")


def test_files_are_listed_by_place_and_object(seil: Seil, loaded: Path) -> None:
    listing = seil("files", "list").out.splitlines()
    assert listing[0].split() == ["state", "modified", "size", "place"]
    assert sorted(line.split()[0] for line in listing[1:]) == [
        "curated",
        "curated",
        "error",
        "processed",
        "processed",
    ]
    [failed] = seil("files", "--state", "error", "--object", "Contact", "--json").json["files"]
    assert failed["key"].startswith("error/Salesforce-Contact/")
    assert Path(failed["place"]).is_file()
    assert failed["place"].endswith(failed["key"])
    assert seil("files", "why", failed["place"]).out.splitlines()[0] == f"error: {failed['key']}"
    assert seil("files", "--state", "in").out == "No files.\n"
    assert seil("files", "--limit", "2").out.splitlines()[-1].startswith("The newest 2 of 5;")


def test_why_shows_the_reason_and_the_history(seil: Seil, loaded: Path) -> None:
    [failed] = seil("files", "--state", "error", "--json").json["files"]
    answer = seil("files", "why", failed["key"])
    assert answer.code == 0
    assert answer.out.splitlines()[:2] == [
        f"error: {failed['key']}",
        "the file is not Parquet: it begins with b'garb'",
    ]
    assert "file-ingestion" in answer.out
    as_json = seil("files", "why", failed["key"], "--json").json
    assert [event["detail-type"] for event in as_json["events"]] == [
        "Object Created",
        "file-ingestion",
    ]
    unknown = seil("files", "why", "error/nothing.parquet")
    assert (unknown.code, unknown.out.splitlines()[0]) == (1, "gone: error/nothing.parquet")


def test_retry_sends_a_mended_file_round_again(seil: Seil, loaded: Path, exported: Path) -> None:
    [failed] = seil("files", "--state", "error", "--json").json["files"]
    refused = seil("files", "retry", "processed/x", failed["key"])
    assert refused.code == 1
    assert (
        "processed/x: only files below error/ or exceptions/, and clean copies, can be retried"
        in refused.out
    )
    assert "1 file moved back" in refused.out
    [waiting] = seil("files", "--state", "in", "--json").json["files"]
    [landing] = Path("seil-data/lake").glob("*-landing")
    contacts = pa.table({"Id": ["003A"], "LastName": ["Ng"], "SystemModstamp": [MODIFIED]})
    pq.write_table(contacts, landing / waiting["key"])
    assert seil("ingest").code == 0
    [done] = seil("files", "--object", "Contact", "--state", "processed", "--json").json["files"]
    assert done["state"] == "processed"


def test_retry_of_everything_of_one_object(seil: Seil, loaded: Path) -> None:
    answer = seil("files", "retry", "--object", "Order").out
    assert answer == "Nothing to move back: no file lies below error/.\n"
    [moved] = seil("files", "retry", "--object", "contact", "--json").json["files"]
    assert moved["target"].startswith("in/dev-Salesforce-Contact/")
    answer = seil("files", "retry", "--all", "--exceptions").out
    assert answer == "Nothing to move back: no file lies below error/ or exceptions/.\n"


def test_status_shows_files_and_ledger(seil: Seil, loaded: Path) -> None:
    ran = seil("status", "Account", "Order", "--all")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("In step: no flow has been read by SEIL; the last run ended ")
    assert lines[2].split() == ["object", "mode", "read", "until", "lag", "now"]
    assert lines[3].split() == ["Account", "incremental", "never", "run"]
    counts = {line.split()[0]: line.split()[1] for line in lines[7:12]}
    assert counts == {"in": "0", "processed": "2", "error": "0", "curated": "2", "exceptions": "0"}
    assert lines[-1] == "All 2 balance: reported = landed = merged + aside."
    whole = seil("status", "--json").json
    assert whole["files"]["error"]["files"] == 1
    assert {row["object"]: row["merged"] for row in whole["ledger"]} == {"Account": 2, "Order": 2}
    assert (whole["balanced"], whole["dead_letters"], whole["ledger_problem"]) == (True, 0, "")


def test_status_lists_a_file_without_a_ledger_row(seil: Seil, loaded: Path) -> None:
    message = "1 file could not be ingested, the newest "
    assert message in seil("status").out.splitlines()[0]
    assert "could not be ingested" not in seil("status", "Account").out


def test_status_needs_a_person_when_rows_are_missing(seil: Seil, loaded: Path) -> None:
    copy = Path("seil-data/warehouse.read.duckdb")
    copy.chmod(0o644)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE seil.loads SET merged_rows = 1 WHERE object = 'Order'")
    ran = seil("status", "Order")
    assert ran.code == 6
    assert "Broken: the ledger does not balance for Order" in ran.out.splitlines()[0]
    assert ran.out.splitlines()[-1] == "1 of 1 do not balance."


def test_status_names_a_column_that_was_lost(seil: Seil, loaded: Path) -> None:
    copy = Path("seil-data/warehouse.read.duckdb")
    copy.chmod(0o644)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE seil.loads SET columns_lost = 'Size__c' WHERE object = 'Order'")
    ran = seil("status", "Order")
    first = ran.out.splitlines()[0]
    assert (ran.code, "Order: Size__c did not reach the warehouse" in first) == (6, True)
    assert "seil run --full Order" in ran.out


def test_status_before_anything(seil: Seil) -> None:
    ran = seil("status")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "Nothing has been read yet. Next: `seil run`"
    assert ran.out.splitlines()[-1] == "Ledger: there is no warehouse yet; `seil run` makes it"


_WRITER = """
import sys, time, duckdb
connection = duckdb.connect("seil-data/warehouse.duckdb")
print("open", flush=True)
sys.stdin.readline()
"""


@contextmanager
def _written_to() -> Iterator[None]:
    """The warehouse as a run has it open."""
    command = [sys.executable, "-c", _WRITER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert run.stdout.readline() == "open\n"
        yield
        run.communicate("\n")


def test_readers_while_a_run_writes_the_warehouse(seil: Seil, loaded: Path) -> None:
    with _written_to():
        status, queried = (
            seil("status", "Order"),
            seil("query", "SELECT count(*) AS n FROM sales_orders"),
        )
        exported = seil("export", "feed", "Sales_Order_Type", "--to", "out", "--quiet")
    assert (status.code, queried.code, exported.code) == (0, 0, 0)
    assert "All 1 balance" in status.out
    for ran in (status, queried):
        assert re.fullmatch(r"As of 20\d\d-[-0-9: ]+Z, .+ ago\.\n", ran.err), ran.err
    assert "2" in queried.out


def test_status_gives_the_age_of_what_it_read(seil: Seil, loaded: Path) -> None:
    copy = Path("seil-data/warehouse.read.duckdb")
    begun = datetime.now(UTC)
    os.utime(copy, (begun.timestamp(), begun.timestamp() - 240))
    document = seil("status", "--json").json
    assert datetime.fromisoformat(document["as_of"]) < begun - timedelta(seconds=239)
    assert 240 <= document["age_seconds"] < 3600
    assert "4m" in seil("query", "SELECT 1").err


def test_status_without_a_copy_while_a_run_writes(seil: Seil, loaded: Path) -> None:
    (loaded / "seil.toml").write_text("[warehouse]\npublish = false\n")
    with _written_to():
        begun = datetime.now(UTC)
        ran = seil("status", "Order")
        took = datetime.now(UTC) - begun
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("Ledger: cannot be read now: Warehouse duckdb:")
    assert took < timedelta(seconds=4)


def test_lineage_up_and_down(seil: Seil) -> None:
    up = seil("lineage", "sales_orders.account_name").out
    assert "salesforce.account.name  <- Account.Name, landing Salesforce-Account" in up
    assert seil("lineage", "sales_orders.account_name", "--json").json["lineage"]["name"] == (
        "sales_orders.account_name"
    )
    assert "sales_orders.order_id" in seil("lineage", "sales_orders").out
    down = seil("lineage", "--down", "Order.OrderNumber", "--json").json["uses"]
    assert "sales_orders.order_id" in {use["column"] for use in down}
    assert (
        "Account.Name  sales_orders.account_name" in seil("lineage", "--down", "Account.Name").out
    )
    assert seil("lineage", "--down", "Account.Jigsaw").out == "No table uses Account.Jigsaw.\n"


def test_export_feed(seil: Seil, loaded: Path) -> None:
    ran = seil("export", "feed", "Sales_Order_Type", "--to", "out", "--quiet")
    assert ran.code == 0
    [written] = (loaded / "out").iterdir()
    assert written.name.startswith("Synth-Sales_Order_Type_2")
    with written.open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 3
    [file_document] = seil("export", "feed", "Sales_Order_Type", "--json").json["files"]
    assert (file_document["feed"], file_document["rows"]) == ("Sales_Order_Type", 2)
    assert file_document["url"].startswith((loaded / "seil-data" / "feed").as_uri())


def test_a_read_only_folder_is_named(
    seil_process: Callable[..., subprocess.Popen[str]], home: Path
) -> None:
    (home / "seil.toml").write_text('[lake]\nurl = "fixed/lake"\n')
    (home / "fixed").mkdir(mode=0o555)
    with seil_process("status", preexec_fn=_without_root_rights) as ran:
        out, err = ran.communicate(timeout=HANGS)
    assert (ran.returncode, out) == (3, "")
    assert err.startswith("error: Cannot create file://")
    assert "Permission denied. Give this user the right to write there" in err


def _without_root_rights() -> None:
    """Root may write anywhere: drop that right from what the new program can hold."""
    import ctypes
    import os

    drop_from_bounding_set, override, read_search = 24, 1, 2
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (override, read_search):
            libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)


def test_json_of_steps_is_all_of_stdout(
    seil_process: Callable[..., subprocess.Popen[str]], exported: Path
) -> None:
    with seil_process("ingest", "--from", str(exported), "--json") as ran:
        out, err = ran.communicate(timeout=HANGS)
    assert {file["state"] for file in json.loads(out)["files"]} == {"success", "error"}
    assert all(json.loads(line)["level"] in ("INFO", "WARNING") for line in err.splitlines())


def test_records_set_aside_are_shown_with_their_reasons(seil: Seil, home: Path) -> None:
    rule = "{type = 'sql', rule = \"LastName <> 'NA'\", message = 'is a placeholder'}"
    column = f'[[objects.Contact.columns]]\nname = "LastName"\nvalidations = [{rule}]\n'
    (home / "objects.toml").write_text(f'[objects.Contact]\nrequired = ["Id"]\n{column}')
    ids = [f"00300000000000{number}AAA" for number in range(3)]
    names = pa.table({"Id": ids, "LastName": ["NA", "Good", "NA"]})
    pq.write_table(names, home / "Contact.parquet")
    seil("ingest", "--from", str(home / "Contact.parquet"))
    listing = seil("files", "show").out.splitlines()
    assert [re.split("  +", line) for line in listing[1:3]] == [
        ["Contact", ids[0], "is a placeholder"],
        ["Contact", ids[2], "is a placeholder"],
    ]
    assert "The first 1; --limit 10 shows more." in seil("files", "show", "--limit", "1").out
    records = seil("files", "show", "--json").json["records"]
    assert [entry["record"]["LastName"] for entry in records] == ["NA", "NA"]
    assert seil("files", "show", "--object", "Account").out == "No records are set aside.\n"
