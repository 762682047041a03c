"""Resolves the name of a file or folder to an object."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from seil.catalog import Catalog, SyncedObject

_WORD = re.compile(r"[A-Za-z0-9]+")
# What other tools add to an object's name: words, counters, dates, pieces of a UUID.
_NOISE = re.compile(
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
        """The object of the first name, nearest first, that is unambiguous and contradicts none
        before it. Raises LookupError with the cure.
        """
        ambiguous: dict[str, set[str]] = {}
        for name in names:
            exact, partial = self._match(name)
            if len(exact) == 1 and all(exact <= candidates for candidates in ambiguous.values()):
                return self._catalog[exact.pop()]
            if exact or partial:
                ambiguous[name] = exact or partial
            if exact:
                break
        if not ambiguous:
            raise LookupError("no name says whose records it holds: name the object with --object")
        readings = "; ".join(
            f"{name!r} could mean {' or '.join(sorted(candidates))}"
            for name, candidates in ambiguous.items()
        )
        first = min(next(iter(ambiguous.values())))
        raise LookupError(f"{readings}: name the object, as in --object {shlex.quote(first)}")

    def _match(self, name: str) -> tuple[set[str], set[str]]:
        """Objects whose name it is, noise aside; else those whose names it contains."""
        words = _words(name)
        partial: set[str] = set()
        for start, end in _spans(len(words)):
            objects = self._objects.get("".join(words[start:end]), set())
            if objects and all(_NOISE.fullmatch(word) for word in words[:start] + words[end:]):
                return set(objects), set()
            partial |= objects
        return set(), partial


def _spans(length: int) -> Iterator[tuple[int, int]]:
    """All ranges of consecutive words, longest first."""
    for size in range(length, 0, -1):
        for start in range(length - size + 1):
            yield start, start + size


def _spellings(obj: SyncedObject) -> tuple[str, ...]:
    bare = obj.api_name.removesuffix("__c").split("__")[-1]
    return obj.api_name, obj.landing_name, obj.table, obj.display_name, bare


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
