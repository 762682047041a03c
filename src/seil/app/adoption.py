"""What a site of an earlier layout kept as documents in its lake: taken over into the state, once.

Up to layout 3 decisions lay in staging, `decisions/Salesforce-<name>.json`, and beside them what
`seil status` reads: `health/last_run.json`, `health/under-way/` and `health/troubles/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.lake.site_layout import migrate, site_layout
from seil.state.decisions import Decision, insert
from seil.state.runs import RunRecord, store_run
from seil.state.schema import meta_value, set_meta
from seil.state.troubles import Trouble, store_trouble

if TYPE_CHECKING:
    from seil.lake import Lake
    from seil.state import State

_DECISIONS = "decisions/"
_LAST_RUN = "health/last_run.json"
_UNDER_WAY = "health/under-way/"
_TROUBLES = "health/troubles/"
_ADOPTED = "lake_documents"
_TAKEN_OVER, _DONE = "taken over", "deleted"
_TIMES = {"since", "started_at", "ended_at"}


@dataclass
class _Documents:
    decisions: dict[str, list[Decision]] = field(default_factory=dict)
    runs: list[RunRecord] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def is_adopted(state: State) -> bool:
    return meta_value(state.database, _ADOPTED) == _DONE


def has_documents(lake: Lake) -> bool:
    """Whether an earlier version has left any, which a run of it may still need."""
    prefixes = (_DECISIONS, _LAST_RUN, _UNDER_WAY, _TROUBLES)
    return any(True for prefix in prefixes for _ in lake.staging.list(prefix))


def adopt(lake: Lake, state: State) -> None:
    """With the run lock held; safe to repeat, and to be killed in. The documents go once what they
    say is in the state.
    """
    documents = _read(lake)
    _take_over(documents, state)
    if site_layout(lake) is not None:
        migrate(lake)
    for key in documents.keys:
        lake.staging.delete(key)
    with state.database.transaction() as transaction:
        set_meta(transaction, _ADOPTED, _DONE)


def adopt_for_reading(lake: Lake, state: State) -> None:
    """The same into a state that is gone with the process: nothing is written to the lake."""
    _take_over(_read(lake), state)


def _take_over(documents: _Documents, state: State) -> None:
    with state.database.transaction() as transaction:
        if meta_value(transaction, _ADOPTED):
            return
        for name, decisions in documents.decisions.items():
            insert(transaction, name, decisions)
        for run in documents.runs:
            store_run(transaction, run)
        for trouble in documents.troubles:
            store_trouble(transaction, trouble)
        set_meta(transaction, _ADOPTED, _TAKEN_OVER)


def _read(lake: Lake) -> _Documents:
    found = _Documents()
    for key, body in _bodies(lake, _DECISIONS, found.keys):
        entries = [Decision(**_fields_of(Decision, entry)) for entry in body["decisions"]]
        found.decisions[str(body.get("object") or _object_of(key))] = entries
    for prefix in (_LAST_RUN, _UNDER_WAY):
        bodies = _bodies(lake, prefix, found.keys)
        found.runs += [RunRecord(**_fields_of(RunRecord, body)) for _, body in bodies]
    bodies = _bodies(lake, _TROUBLES, found.keys)
    found.troubles += [Trouble(**_fields_of(Trouble, body)) for _, body in bodies]
    return found


def _bodies(lake: Lake, prefix: str, keys: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in lake.staging.list(prefix):
        keys.append(entry.key)
        if body := lake.staging.find(entry.key):
            yield entry.key, json.loads(body)


def _object_of(key: str) -> str:
    return key.rpartition("Salesforce-")[2].removesuffix(".json")


def _fields_of(kind: type, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a later version has written besides is left out."""
    names = {part.name for part in fields(kind)}
    return {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in body.items()
        if name in names
    }
