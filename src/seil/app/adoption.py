"""Moves what a site of an earlier layout kept as documents in its lake into the state, once.

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
from seil.state.database import Transaction, write
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


def has_begun(state: State) -> bool:
    """Whether the documents' content is in the state already, if there were any."""
    return bool(meta_value(state.database, _ADOPTED))


def has_documents(lake: Lake) -> bool:
    """Whether an earlier version left any; a run of it may still need them."""
    prefixes = (_DECISIONS, _UNDER_WAY, _TROUBLES)
    entries = (True for prefix in prefixes for _ in lake.staging.list(prefix))
    return any(entries) or lake.staging.find(_LAST_RUN) is not None


def adopt(lake: Lake, state: State) -> None:
    """Under the run lock; idempotent. Documents are deleted once the state holds their content."""
    documents = _read(lake)
    _take_over(documents, state)
    if site_layout(lake) is not None:
        migrate(lake)
    for key in documents.keys:
        lake.staging.delete(key)
    end_adoption(state)


def end_adoption(state: State) -> None:
    """Nothing in the lake is to be moved any more."""
    write(state.database, lambda transaction: set_meta(transaction, _ADOPTED, _DONE))


def adopt_for_reading(lake: Lake, state: State) -> None:
    """Into a state that is gone with the process; writes nothing to the lake."""
    _take_over(_read(lake), state)


def _take_over(documents: _Documents, state: State) -> None:
    def store(transaction: Transaction) -> None:
        if meta_value(transaction, _ADOPTED):
            return
        for name, decisions in documents.decisions.items():
            insert(transaction, name, decisions)
        for run in documents.runs:
            store_run(transaction, run)
        for trouble in documents.troubles:
            store_trouble(transaction, trouble)
        set_meta(transaction, _ADOPTED, _TAKEN_OVER)

    write(state.database, store)


def _read(lake: Lake) -> _Documents:
    documents = _Documents()
    for key, body in _bodies(lake, _DECISIONS, documents.keys):
        entries = [Decision(**_fields_of(Decision, entry)) for entry in body["decisions"]]
        documents.decisions[str(body.get("object") or _object_of(key))] = entries
    text = lake.staging.find(_LAST_RUN)
    last = [(_LAST_RUN, json.loads(text))] if text else []
    documents.keys += [key for key, _ in last]
    for _, run in (*last, *_bodies(lake, _UNDER_WAY, documents.keys)):
        documents.runs.append(RunRecord(**_fields_of(RunRecord, run)))
    bodies = _bodies(lake, _TROUBLES, documents.keys)
    documents.troubles += [Trouble(**_fields_of(Trouble, body)) for _, body in bodies]
    return documents


def _bodies(lake: Lake, prefix: str, keys: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in lake.staging.list(prefix):
        keys.append(entry.key)
        if body := lake.staging.find(entry.key):
            yield entry.key, json.loads(body)


def _object_of(key: str) -> str:
    return key.rpartition("Salesforce-")[2].removesuffix(".json")


def _fields_of(kind: type, body: Mapping[str, Any]) -> dict[str, Any]:
    """Without fields that only a later version knows."""
    names = {part.name for part in fields(kind)}
    return {
        name: datetime.fromisoformat(value) if name in _TIMES and value else value
        for name, value in body.items()
        if name in names
    }
