"""`seil doctor`'s checks of this machine: memory, threads, folders, disks, keys, traces.

They change nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from seil.checks import SiteCheck, space_state
from seil.errors import ConfigurationError
from seil.sizes import size

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.settings import Settings

_LITTLE_MEMORY = 256_000_000
_PATIENCE = 2.0
_MEMORY = re.compile(r"(?i)(?P<number>[\d.]+) ?(?P<unit>[kmgt])(?P<binary>i?)b")
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_checks(site: Site) -> Iterator[SiteCheck]:
    settings = site.settings
    yield _memory(settings)
    yield _threads(settings)
    yield from _places(site)
    yield from _secrets(settings)
    if settings.trace.endpoint:
        yield _traces(settings.trace.endpoint)


def _memory(settings: Settings) -> SiteCheck:
    text, has = settings.warehouse.memory, machine_memory()
    limit = bytes_of(text)
    detail = f"[warehouse] memory is {text}"
    cure = "set memory in [warehouse] to about half of what this machine has"
    if has is not None and limit > has:
        return SiteCheck("memory", "fail", f"{detail}, this machine has {size(has)}", cure)
    if limit < _LITTLE_MEMORY:
        return SiteCheck("memory", "warn", f"{detail}: a build needs 256MB and more", cure)
    if has is not None and limit > 0.8 * has:
        return SiteCheck("memory", "warn", f"{detail} of {size(has)}", cure)
    return SiteCheck("memory", "ok", detail + (f" of {size(has)}" if has else ""))


def _threads(settings: Settings) -> SiteCheck:
    cores, threads = os.cpu_count() or 1, settings.warehouse.threads
    if threads and threads > 2 * cores:
        cure = "lower threads in [warehouse], or leave it out: one per core"
        detail = f"[warehouse] threads is {threads:,}, this machine has {cores:,} cores"
        return SiteCheck("threads", "warn", detail, cure)
    return SiteCheck("threads", "ok", f"{threads or cores:,} of {cores:,} cores")


def bytes_of(text: str) -> int:
    """The bytes of a DuckDB size such as 4GB; 0 for any other text."""
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        return 0
    power = "kmgt".index(match["unit"].lower()) + 1
    return int(float(match["number"]) * (1024 if match["binary"] else 1000) ** power)


def machine_memory() -> int | None:
    """The memory of the machine, or its container's limit where that is less."""
    limits: list[int] = []
    with suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in _CGROUPS:
        with suppress(ValueError, OSError):
            limits.append(int(Path(name).read_text("utf-8")))
    return min(limits, default=None)


def _places(site: Site) -> Iterator[SiteCheck]:
    """Every place that SEIL writes apart from the lake, which is tried by writing."""
    from seil.warehouse import local_file

    settings, wrong = site.settings, 0
    engine, _, state = settings.state.url.partition(":")
    places = [("journal", "[events] journal", settings.events.journal)]
    if engine == "sqlite":
        places.append(("state", "[state] url", Path(state)))
    try:
        if warehouse := local_file(settings.warehouse):
            places.append(("warehouse", "[warehouse] url", warehouse))
    except ConfigurationError as error:
        wrong += 1
        for problem in error.problems:
            detail = f"{problem.place}: {problem.reason}"
            yield SiteCheck("warehouse", "fail", detail, problem.cure)
    feed = urlsplit(settings.feed.url)
    if feed.scheme == "file":
        places.append(("feed", "[feed] url", Path(unquote(feed.path)) / "file"))
    for name, setting, file in places:
        if check := _place(name, setting, file):
            wrong += 1
            yield check
    if not wrong:
        yield SiteCheck("folders", "ok", f"{', '.join(name for name, *_ in places)} can be written")


def _place(name: str, setting: str, file: Path) -> SiteCheck | None:
    if file.is_dir():
        cure = f"name a file in {setting}, as in {file / 'a-file'}"
        return SiteCheck(name, "fail", f"{file} is a folder, not a file", cure)
    folder = file.parent
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    if not existing.is_dir():
        cure = f"move that file away, or change {setting}"
        return SiteCheck(
            name, "fail", f"cannot make the folder {folder}: {existing} is a file", cure
        )
    if not os.access(existing, os.W_OK | os.X_OK) or _is_read_only(existing):
        cure = f"give this user the right to write there, or change {setting}"
        return SiteCheck(name, "fail", f"{existing} cannot be written by this user", cure)
    return _space(name, setting, existing)


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _space(name: str, setting: str, folder: Path) -> SiteCheck | None:
    free = shutil.disk_usage(folder).free
    state = space_state(free)
    if state == "ok":
        return None
    cure = f"free some space, or point {setting} elsewhere"
    return SiteCheck(name, state, f"only {size(free)} are free in {folder}", cure)


def _secrets(settings: Settings) -> Iterator[SiteCheck]:
    """Files that keep a secret: there, readable, and only for whoever runs SEIL."""
    from seil.secret import Secret

    paths = {
        f"[{section}] {name}": Path(value.location.removeprefix("file:")).expanduser()
        for section in ("salesforce", "admanager", "techone", "api", "state")
        for name, value in getattr(settings, section)
        if isinstance(value, Secret) and value.location.startswith("file:")
    }
    # The stand-in writes that one when it starts.
    own = {setting: path for setting, path in paths.items() if "sandbox" not in path.parts}
    for setting, path in own.items():
        yield _secret(setting, path)


def _secret(setting: str, path: Path) -> SiteCheck:
    try:
        mode = path.stat().st_mode
        with path.open("rb"):
            pass
    except OSError as error:
        cure = f"put the secret there, or correct {setting}"
        return SiteCheck("secret", "fail", f"{setting} is file:{path}: {error.strerror}", cure)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        detail = f"{setting}: others can read {path} (mode {stat.S_IMODE(mode):04o})"
        return SiteCheck("secret", "warn", detail, f"chmod 600 {path}")
    return SiteCheck("secret", "ok", f"{setting}: only its owner can read {path}")


def _traces(endpoint: str) -> SiteCheck:
    parts = urlsplit(endpoint)
    cure = "correct endpoint in [trace], start the collector, or leave it out: no traces"
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        with socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE):
            pass
    except (KeyError, ValueError):
        detail = f"[trace] endpoint is {endpoint}, not http://host:port"
        return SiteCheck("traces", "fail", detail, cure)
    except OSError as error:
        detail = f"nothing answers at [trace] endpoint {endpoint}: {error.strerror or error}"
        return SiteCheck("traces", "fail", detail, cure)
    return SiteCheck("traces", "ok", f"{endpoint} answers")
