"""Which object the name of a file or folder means."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from seil.catalog import Catalog, SyncedObject

_WORD = re.compile(r"[A-Za-z0-9]+")
# What other tools put beside an object's name: words, counters, dates, pieces of a UUID.
_BESIDE = re.compile(
    r"salesforce|sf|sfdc|dev|test|uat|prod|object|table|part|page|chunk|file|export|data|full|delta"
    r"|snapshot|snappy|zstd|gz|[0-9a-f]*\d[0-9a-f]*|[a-f]{4}|[a-f]{8}|[a-f]{12}|[ctv]\d+|\d*t\d+z?"
)


class ObjectNames:
    def __init__(self, catalog: Catalog) -> None:
        self._objects: dict[str, set[str]] = {}
        self._catalog = catalog
        for obj in catalog.values():
            for name in _spellings(obj):
                self._objects.setdefault("".join(_words(name)), set()).add(obj.api_name)

    def resolve(self, names: Iterable[str]) -> SyncedObject:
        """The object that the nearest telling name means, where those nearer may mean it, too.

        Raises LookupError with what to do.
        """
        vague: dict[str, set[str]] = {}
        for name in names:
            certain, possible = self._match(name)
            if len(certain) == 1 and all(certain <= meant for meant in vague.values()):
                return self._catalog[certain.pop()]
            if certain or possible:
                vague[name] = certain or possible
            if certain:
                break
        if not vague:
            raise LookupError("no name says whose records it holds: name the object with --object")
        meant = "; ".join(f"{name!r} could mean {_join(found)}" for name, found in vague.items())
        first = min(next(iter(vague.values())))
        raise LookupError(f"{meant}: name the object, as in --object {shlex.quote(first)}")

    def _match(self, name: str) -> tuple[set[str], set[str]]:
        """Objects the name certainly means, having nothing telling beside theirs, and others."""
        words = _words(name)
        possible: set[str] = set()
        for start, end in _spans(len(words)):
            found = self._objects.get("".join(words[start:end]), set())
            if found and all(_BESIDE.fullmatch(word) for word in words[:start] + words[end:]):
                return set(found), set()
            possible |= found
        return set(), possible


def _join(names: set[str]) -> str:
    return " or ".join(sorted(names))


def _spans(length: int) -> Iterator[tuple[int, int]]:
    """All parts of a row of words, longest first."""
    for size in range(length, 0, -1):
        for start in range(length - size + 1):
            yield start, start + size


def _spellings(obj: SyncedObject) -> tuple[str, ...]:
    bare = obj.api_name.removesuffix("__c").split("__")[-1]
    return obj.api_name, obj.landing_name, obj.table, obj.display_name, bare


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
