"""The reference of events names every kind that is published, and every field of its detail."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.sf_to_dw.small_site import SmallSite

from seil.events.journal import Journal
from seil.events.kinds import EVENT_KINDS

SOURCE = Path(__file__).parents[2] / "src" / "seil"
KINDS = {kind.detail_type: kind for kind in EVENT_KINDS}


def test_every_detail_type_in_the_code_has_an_entry() -> None:
    assert KINDS.keys() >= set(detail_types())


def detail_types() -> list[str]:
    """Second argument of each `Event(...)`, where it is a text or a constant of its module."""
    types = []
    for path in SOURCE.rglob("*.py"):
        source = path.read_text("utf-8")
        if "Event(" not in source:
            continue
        tree = ast.parse(source)
        texts = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id="Event"), args=[_, ast.Constant(value=kind), *_]):
                    types.append(str(kind))
                case ast.Call(func=ast.Name(id="Event"), args=[_, ast.Name(id=name), *_]):
                    types.append(str(texts[name]))
    return types


def test_published_details_have_only_documented_fields(tmp_path: Path) -> None:
    site = SmallSite(tmp_path)
    site.add("003000000000001AAA", "003000000000002AAA")
    with site.org.serve():
        site.run()
        site.pass_time(hours=1)
        site.add("003000000000003AAA")
        site.run(full=True)
    with Journal(tmp_path / "journal.sqlite") as journal:
        events = [event for _, event in journal.read()]
    assert {event.detail_type for event in events} >= {"flow-run", "file-ingestion", "load"}
    undocumented = {
        (event.detail_type, name)
        for event in events
        for name in event.detail.keys() - KINDS[event.detail_type].detail.keys()
    }
    assert undocumented == set()
