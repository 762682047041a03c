"""The demo's folder: what in it is the demo's own, and may be thrown away for the next one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seil.errors import ConfigurationError, Problem

MARK = "# Written by `seil demo`."
_CONFIG, _CATALOG, _DONE = "seil.toml", "objects.toml", ".demo-done"
# The org, the lake and the feed, and the files of the journal and the warehouse with their logs.
_OWN = re.compile(
    r"org|network|lake|feed|pushes|plans|(journal|state)\.sqlite(-\w+)?|warehouse\.[\w.-]*duckdb(\.[\w.-]+)?"
    r"|seil\.toml|objects\.toml|\.demo-done"
)
# Of a landed file's key: the folder of a flow run, or of an imported copy.
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}|import-[0-9a-f]{16}")
_NAMED = 3
_OTHER = "name another folder with --folder"


@dataclass(frozen=True)
class DemoFolder:
    path: Path

    @property
    def config(self) -> Path:
        return self.path / _CONFIG

    @property
    def catalog(self) -> Path:
        return self.path / _CATALOG

    def clear(self) -> str:
        """Empties it for a new demo. Says what it held: "finished", "broken off" or "" for nothing.

        Raises ConfigurationError, and removes nothing, where it holds anything no demo has made.
        """
        self._check()
        if not self.path.exists() or not any(self.path.iterdir()):
            self._make()
            return ""
        was = "finished" if (self.path / _DONE).exists() else "broken off"
        # The mark of the whole goes last: what a kill leaves is still known as a demo's.
        last = (self.catalog, self.config)
        for entry in (e for e in self.path.iterdir() if e not in last):
            _remove(entry)
        for entry in last:
            entry.unlink(missing_ok=True)
        return was

    def finish(self) -> None:
        (self.path / _DONE).touch()

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"cannot be made: {error.strerror}"
            raise ConfigurationError([Problem(str(self.path), reason, _OTHER)]) from error

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise ConfigurationError([Problem(str(self.path), "is a file, not a folder", _OTHER)])
        if not self.path.exists():
            return
        foreign = [str(path.relative_to(self.path)) for path in _foreign(self)]
        if foreign:
            more = f" and {len(foreign) - _NAMED:,} more" if len(foreign) > _NAMED else ""
            names = ", ".join(foreign[:_NAMED]) + more
            reason = f"holds what no demo has made: {names}"
            cure = f"move that away, or {_OTHER}"
            raise ConfigurationError([Problem(str(self.path), reason, cure)])


def _foreign(folder: DemoFolder) -> Iterator[Path]:
    entries = sorted(folder.path.iterdir())
    for entry in entries:
        if not _OWN.fullmatch(entry.name) or entry.is_symlink():
            yield entry
        elif entry in (folder.config, folder.catalog):
            if not entry.read_text("utf-8", "replace").startswith(MARK):
                yield entry
        elif entry.name == "lake" and entry.is_dir():
            yield from _foreign_in_lake(entry)


def _foreign_in_lake(lake: Path) -> Iterator[Path]:
    """Landed and archived files that lie in no run's folder: somebody has put them there."""
    for path in sorted(lake.glob("*-landing/**/*")):
        if path.is_file() and not any(_RUN.fullmatch(part) for part in path.parts):
            yield path


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
