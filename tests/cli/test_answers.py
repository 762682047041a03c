"""Every `--json` answer has the shape that docs/json.md says."""

from __future__ import annotations

import json
import shutil
import types
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.app.documents.base import JsonDocument, TimeText
from seil.app.documents.error import ErrorPart
from seil.app.documents.index import ANSWERS
from seil.app.site import Site
from seil.cli.answer_page import answer_of, fields_of, is_list, is_shape, is_table
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import load_settings

Seil = Callable[..., Any]

_SCALARS: dict[Any, Any] = {
    str: str,
    Path: str,
    bool: bool,
    int: int,
    float: int | float,
    timedelta: int | float,
    types.NoneType: types.NoneType,
}


def misfits(value: Any, kind: Any, place: str) -> Iterator[str]:
    """Where a part of an answer is not of its kind."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_shape(kind):
        yield from of_fields(value, fields_of(kind), place)
    elif origin in (typing.Union, types.UnionType):
        if all(list(misfits(value, option, place)) for option in arguments):
            yield f"{place}: {value!r:.80} is not {kind}"
    elif isinstance(value, list) and is_list(kind):
        for number, part in enumerate(value):
            yield from misfits(part, arguments[0], f"{place}[{number}]")
    elif isinstance(value, dict) and is_table(kind):
        for name, part in value.items():
            yield from misfits(part, arguments[1], f"{place}.{name}")
    elif not _is_one(value, kind):
        yield f"{place}: {value!r:.80} is not {kind}"


def of_fields(value: Any, fields: dict[str, tuple[Any, bool]], place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {value!r:.80} is not an object"
        return
    needed = {name for name, (_, may_be_missing) in fields.items() if not may_be_missing}
    yield from (f"{place}.{name} is missing" for name in needed - set(value))
    yield from (f"{place}.{name} is not documented" for name in set(value) - set(fields))
    for name in set(value) & set(fields):
        yield from misfits(value[name], fields[name][0], f"{place}.{name}")


def _is_one(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if kind in (datetime, TimeText):
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    is_flag = isinstance(value, bool)
    return isinstance(value, _SCALARS.get(kind, ())) and is_flag is (kind is bool)


def check(document: dict[str, Any], code: int) -> str:
    """Its schema, once it is found to be as documented."""
    schema, error = str(document.pop("schema")), document.pop("error", None)
    fields = {name: kind for name, kind in fields_of(answer_of(schema)).items() if name != "error"}
    assert list(of_fields(document, fields, schema)) == []
    assert (error is None) is (code == 0)
    if error:
        assert list(misfits(error, ErrorPart, "error")) == []
        assert error["exit_code"] == code
    return schema


@pytest.fixture(scope="module")
def served_site(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a served org, settings, a file that can be taken in and one that cannot."""
    home = tmp_path_factory.mktemp("answers")
    shutil.copytree(generated, home / "org")
    now = datetime.now(UTC)
    columns = {"Id": ["00Q000000000001"], "SystemModstamp": [now], "CreatedDate": [now]}
    (home / "exported").mkdir()
    pq.write_table(pa.table(columns), home / "exported" / "Contact.parquet")
    (home / "exported" / "Order.parquet").write_bytes(b"garbage " * 20)
    with OrgServer(home / "org", options=OrgOptions()) as server:
        (home / "seil.toml").write_text(
            f'[salesforce]\nlogin_url = "{server.url}"\n[extract]\npoll = 0.05\n'
            '[push]\nfolder = "pushes"\nplans = "plans"\n'
        )
        (home / "pushes").mkdir()
        (home / "pushes" / "notes.toml").write_text(PUSH)
        (home / "objects.toml").write_text('[defaults.flow]\nlag = "0s"\n')
        yield home


PUSH = """
object = "Account"
query = 'SELECT id AS "Id", 1 || name AS note FROM salesforce.account'
[fields]
Description = "note"
"""

# In this order: a later one needs what an earlier one has made.
LINES = [
    "init --force --config other.toml",
    "status",
    "org",
    "doctor",
    "plan Account",
    "extract Account Nothing__c",
    "extract Account",
    "ingest --from exported",
    "load",
    "build --explain",
    "build",
    "run Account",
    "reconcile Account",
    "rebuild",
    "move duckdb:moved.duckdb --dry-run",
    "move duckdb:moved.duckdb",
    "move duckdb:warehouse.duckdb --switch",
    "warehouse upkeep --dry-run",
    "warehouse upkeep",
    "status",
    "status --all",
    "runs",
    "runs list --limit 1",
    "runs show",
    "runs show none",
    "state backup made.sqlite",
    "state restore made.sqlite --replace",
    "files",
    "files why FAILED",
    "files why none",
    "files show",
    "files retry --all",
    "listen --once",
    "schema diff Account",
    "schema diff Account --history",
    "schema accept Account",
    "events",
    "events dead",
    "events redeliver --all",
    "query SELECT",
    "query wrong",
    "push plan notes",
    "push apply notes PLAN --yes",
    "sync gam-to-sf --dry-run",
    "outcomes",
    "outcomes --output outcomes.csv",
    "outcomes retry",
    "sync sf-to-t1 --dry-run",
    "sync sf-to-t1",
    "lineage sales_orders.account_name",
    "lineage --down Order.OrderNumber",
    "export feed Sales_Order_Type",
    "export csv exported_csv --table sales_orders",
    "publish iceberg published",
    "publish status published",
    "publish upkeep published",
    "org adopt --yes",
    "sandbox tick --share 0.01 --url URL",
    "sandbox reset --yes --state none",
    "events --limit none",
]


def test_every_command_answers_as_documented(
    seil: Seil, served_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(served_site)
    url = load_settings().salesforce.login_url
    seen: set[str] = set()
    for line in LINES:
        if line == "events dead":
            _die()
        failed = seil("files", "--state", "error", "--json") if "FAILED" in line else None
        planned = seil("push", "plan", "notes", "--json") if "PLAN" in line else None
        words = {
            "PLAN": planned.json["hash"] if planned else "",
            "FAILED": failed.json["files"][0]["key"] if failed else "",
            "SELECT": "SELECT 1 AS a, now() AS b, NULL AS c",
            "URL": url,
        }
        ran = seil(*(words.get(word, word) for word in line.split()), "--json")
        is_stream = line.startswith("listen")
        for text in ran.out.splitlines() if is_stream else [ran.out]:
            seen.add(check(json.loads(text), 0 if is_stream else ran.code))
    schemas = {answer.schema for answer in ANSWERS}
    elsewhere = {name for name in schemas if name.startswith("seil.sandbox-")}
    # Those that serve until they are stopped, and those that need a person or a state of another
    # site: tested where they are.
    elsewhere |= {"seil.event/1", "seil.listen/1", "seil.start/1", "seil.login/1"}
    elsewhere |= {"seil.serve/1", "seil.state-owner/1", "seil.subscribe/1"}
    assert seen >= schemas - elsewhere


def _die() -> None:
    """A dead letter, for the commands that show one."""

    def refuse(event: Event) -> None:
        raise ValueError("odd")

    with Site(load_settings()) as context:
        everything = Pattern({"source": [{"exists": True}]})
        context.journal.publish([Event("seil.test", "x", {})])
        subscriber = Subscriber("s", everything, refuse, attempts=1, replay=True)
        Dispatcher(context.journal, [subscriber]).drain()


def test_every_answer_is_documented_once() -> None:
    defined = [kind for kind in _subclasses(JsonDocument) if kind.__module__.startswith("seil.")]
    assert sorted(defined, key=repr) == sorted(ANSWERS, key=repr)
    assert len({answer.schema for answer in ANSWERS}) == len(ANSWERS)


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)
