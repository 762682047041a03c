"""Is everything there, and does every far end answer? Each problem with its cure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from seil.app import wording
from seil.app.doctor_ad_manager import field_checks, network_checks
from seil.app.doctor_billing import job_checks, warehouse_checks
from seil.app.doctor_events import event_checks
from seil.app.doctor_machine import machine_checks
from seil.app.doctor_publishing import catalog_checks
from seil.app.doctor_pushes import push_checks
from seil.app.site import Site
from seil.checks import SiteCheck, space_state
from seil.errors import ConfigurationError, LoginError, SeilError, UnavailableError
from seil.extras import requires
from seil.sizes import size
from seil.sqlite_file import SQLITE_VERSION

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.salesforce.org import Org
    from seil.settings import Settings

_PROBE = "doctor/probe"
_AGAIN = "run `seil doctor` again"
# A jwt assertion is valid for three minutes, and a window's end is taken from the org's clock.
_SKEW_WARNED = timedelta(seconds=30)
_SKEW_FATAL = timedelta(minutes=3)


def examine(config: Path | None) -> Iterator[SiteCheck]:
    """Yields each check as it is done; those that need a failed one are skipped."""
    from seil.settings import config_file, load_settings

    yield _python()
    try:
        settings = load_settings(config)
    except ConfigurationError as error:
        yield from _failures("configuration", error)
        return
    file = config_file(config)
    yield SiteCheck("configuration", "ok", str(file) if file else "no seil.toml: defaults only")
    # No retries: the answer is wanted now.
    salesforce = settings.salesforce.model_copy(update={"attempts": 1})
    yield from _variables(settings)
    with Site(settings.model_copy(update={"salesforce": salesforce})) as site:
        failed: set[str] = set()
        for group in _GROUPS:
            if failed.isdisjoint((group.name, *group.needs)):
                for check in _safely(group, site):
                    if check.state == "fail":
                        failed |= {check.name, group.name}
                    yield check
            else:
                failed.add(group.name)


def _safely(group: _CheckGroup, site: Site) -> Iterator[SiteCheck]:
    """One broken part must not hide the others."""
    try:
        with requires(group.extra):
            yield from group.checks(site)
    except SeilError as error:
        yield from _failures(group.name, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        cure = f"let this user read and write there, then {_AGAIN}"
        yield SiteCheck(group.name, "fail", f"{place}{error.strerror or error}", cure)


def _failures(name: str, error: SeilError) -> Iterator[SiteCheck]:
    if isinstance(error, ConfigurationError):
        for problem in error.problems:
            cure = problem.cure or f"correct it, then {_AGAIN}"
            yield SiteCheck(name, "fail", f"{problem.place}: {problem.reason}", cure)
    else:
        cure = error.hint or error.cure or f"mend that, then {_AGAIN}"
        yield SiteCheck(name, "fail", error.message, cure)


def _variables(settings: Settings) -> Iterator[SiteCheck]:
    from seil.settings import unknown_variables

    for problem in unknown_variables(settings):
        cure = f"unset {problem.place}"
        cure = f"{problem.cure} Else {cure}" if problem.cure else cure
        yield SiteCheck("variable", "warn", f"{problem.place} {problem.reason}", cure)


def _python() -> SiteCheck:
    from seil import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    return SiteCheck("seil", "ok", f"{__version__}, Python {version}, SQLite {SQLITE_VERSION}")


def _catalog(site: Site) -> Iterator[SiteCheck]:
    objects = site.catalog.values()
    rules = sum(len(column.validations) for obj in objects for column in obj.columns)
    own = site.settings.catalog.file
    detail = f"{len(site.catalog):,} objects, {rules:,} record rules"
    yield SiteCheck("catalog", "ok", detail + (f", {own}" if own else ", as packaged"))


def _models(site: Site) -> Iterator[SiteCheck]:
    yield SiteCheck("models", "ok", f"{len(site.models):,} tables")


def _lake(site: Site) -> Iterator[SiteCheck]:
    from seil.sf_to_dw.lock import lock_holder

    for bucket in (site.lake.landing, site.lake.curated, site.lake.staging):
        bucket.put(_PROBE, b"seil doctor")
        bucket.delete(_PROBE)
    if not site.lake.staging.refuses_stale_tags(_PROBE):
        yield SiteCheck(
            "lake",
            "fail",
            f"{site.settings.lake.url} ignores If-Match, so that two runs could hold the lock",
            "use a store that honours conditional writes: docs/run-lock.md",
        )
        return
    free = site.lake.landing.free_bytes()
    detail = f"{site.settings.lake.url} can be written"
    if holder := lock_holder(site.lake):
        detail += f" ({holder} holds the run lock)"
    if free is None:
        yield SiteCheck("lake", "ok", detail)
    elif (state := space_state(free)) == "ok":
        yield SiteCheck("lake", "ok", f"{detail}, {size(free)} free")
    else:
        cure = "free some space, or point [lake] url elsewhere"
        yield SiteCheck("lake", state, f"{detail}, but only {size(free)} are free", cure)


def _journal(site: Site) -> Iterator[SiteCheck]:
    if site.settings.events.bus:
        from seil.events.event_bridge import describe_bus

        yield SiteCheck("bus", "ok", describe_bus(site.settings.events.bus))
        return
    from seil.events.dispatch import dead_letters

    with site.journal.file.transaction():
        count = site.journal.last()
    dead = len(dead_letters(site.journal))
    detail = f"{site.journal.path}, {count:,} events"
    if dead:
        detail += f", {wording.counted(dead, 'dead letter')}"
        yield SiteCheck("journal", "warn", detail, "see `seil events dead`")
    else:
        yield SiteCheck("journal", "ok", detail)


def _state(site: Site) -> Iterator[SiteCheck]:
    """Takes the write lock, and leaves everything as it is."""
    from seil.app.state_binding import check

    state = site.unbound_state
    check(site.lake, state)
    place = state.database.place
    if not state.database.is_stored:
        yield SiteCheck("state", "ok", f"{place}, to be made by the first run")
        return
    with state.database.transaction():
        last = state.runs.last()
    ended = (
        f", the last run ended {wording.moment(last.ended_at)}" if last and last.ended_at else ""
    )
    yield SiteCheck("state", "ok", f"{place} can be written{ended}")


def _warehouse(site: Site) -> Iterator[SiteCheck]:
    from seil.warehouse import checks

    yield from checks(site.settings.warehouse)


def _upkeep(site: Site) -> Iterator[SiteCheck]:
    from seil.app.upkeep_mark import upkeep_due

    if reason := upkeep_due(site.state_to_read, site.settings.warehouse):
        cure = "do it while no run is under way: `seil warehouse upkeep`"
        yield SiteCheck("upkeep", "warn", reason, cure)


def _removed_models(site: Site) -> Iterator[SiteCheck]:
    from seil.modeling.removed import removed_tables

    if not site.has_warehouse:
        return
    with site.warehouse(read_only=True) as warehouse:
        if removed := removed_tables(warehouse, site.models):
            detail = f"no model builds {', '.join(removed)} any more"
            cure = "drop what is left: `seil build --drop-removed`"
            yield SiteCheck("models", "warn", detail, cure)


def _org(site: Site) -> Iterator[SiteCheck]:
    settings = site.settings.salesforce
    try:
        identity = site.org.identity()
    except UnavailableError as error:
        cure = "check login_url in [salesforce], the network, and status.salesforce.com"
        if "127.0.0.1" in settings.login_url:
            cure = "start the stand-in with `seil sandbox salesforce`, or set login_url to your org"
        yield SiteCheck("login", "fail", error.message, cure)
        return
    except LoginError as error:
        yield SiteCheck("login", "fail", error.message, error.hint)
        return
    kind = {True: ", a sandbox", False: ", production", None: ""}[identity.is_sandbox]
    who = f" as {identity.username}" if identity.username else ""
    where = f"{identity.instance_url}{kind}{_site_org(site)}"
    yield SiteCheck("login", "ok", f"{settings.auth}{who} at {where}")
    yield _clock(site.org)
    yield _quota(site)


def _site_org(site: Site) -> str:
    """A login to another org than this one raises an error before."""
    from seil.sf_to_dw.extract.org_identity import stored_identity

    stored = stored_identity(site.lake)
    return f", org {stored.org_id} as before" if stored else ""


def _clock(org: Org) -> SiteCheck:
    ahead = datetime.now(UTC) - org.now()
    detail = f"this machine's clock is {abs(ahead.total_seconds()):.0f} s off the org's"
    cure = "let this machine keep its time by NTP: timedatectl set-ntp true"
    if abs(ahead) > _SKEW_FATAL:
        return SiteCheck("clock", "fail", detail, cure)
    return SiteCheck("clock", "warn" if abs(ahead) > _SKEW_WARNED else "ok", detail, cure)


def _quota(site: Site) -> SiteCheck:
    from seil.sf_to_dw.extract.plan import quota

    allowance = quota(site.org)
    if allowance is None:
        cure = "give the user 'View Setup and Configuration' to watch the allowance"
        return SiteCheck("quota", "warn", "the org does not return its API allowance", cure)
    detail = f"{allowance.remaining:,} of {allowance.allowed:,} API calls left today"
    detail += f", {allowance.reserve:,} reserved for others"
    if allowance.available:
        return SiteCheck("quota", "ok", detail)
    cure = "run later, or lower reserve in [salesforce]; `seil plan` shows what a run would cost"
    return SiteCheck("quota", "fail", detail, cure)


def _objects(site: Site) -> Iterator[SiteCheck]:
    """Checks the API version, and that the user may read the catalog's objects."""
    version = site.settings.salesforce.api_version
    try:
        readable = {entry.name.lower(): entry.queryable for entry in site.org.objects()}
    except SeilError as error:
        cure = "check api_version in [salesforce], and 'API Enabled' of the user"
        yield SiteCheck("API", "fail", f"version {version}: {error.message}", cure)
        return
    yield _version(site.org, version, objects=len(readable))
    wrong = 0
    for obj in site.catalog.values():
        for check in _object(site, obj, readable=readable.get(obj.api_name.lower())):
            wrong += 1
            yield check
    if not wrong:
        yield SiteCheck("objects", "ok", f"all {len(site.catalog):,} of the catalog can be read")


def _version(org: Org, version: str, *, objects: int) -> SiteCheck:
    from seil.salesforce import versions

    newest = org.newest_version() or version
    notes = (versions.release(version), versions.age(version, newest))
    words = ", ".join(filter(None, (*notes, f"{objects:,} objects visible")))
    detail = f"version {version} of {words}"
    if ends := versions.end(version, newest):
        cure = f'set api_version = "{newest}" in [salesforce]'
        return SiteCheck("API", "warn", f"{detail}: {ends}", cure)
    return SiteCheck("API", "ok", detail)


def _object(site: Site, obj: SyncedObject, *, readable: bool | None) -> Iterator[SiteCheck]:
    from seil.sf_to_dw.ingest.rules import validate_rules

    name = f"object {obj.api_name}"
    disable = f"or set enabled = false for objects.{obj.api_name} in objects.toml"
    if not readable:
        access = "is not visible to" if readable is None else "cannot be queried by"
        cure = f"let the integration user read it (View All), {disable}"
        yield SiteCheck(name, "fail", f"{access} this user", cure)
        return
    try:
        described = site.org.describe(obj.api_name)
    except SeilError as error:
        yield SiteCheck(name, "fail", error.message, error.hint or disable)
        return
    for problem in validate_rules(obj, described.arrow):
        yield SiteCheck(name, "fail", f"{problem.place}: {problem.reason}", problem.cure)
    missing = [field for field in (obj.key, *obj.required) if described.get(field) is None]
    if missing:
        fields = ", ".join(dict.fromkeys(missing))
        cure = f"let the user read it, or change key and required of objects.{obj.api_name}"
        yield SiteCheck(name, "fail", f"has no field {fields}", cure)
    elif described.get(obj.flow.cursor) is None and obj.flow.mode == "incremental":
        cure = f'set flow.mode = "full" or another cursor for objects.{obj.api_name}'
        yield SiteCheck(name, "warn", f"has no field {obj.flow.cursor} to tell what changed", cure)


@dataclass(frozen=True)
class _CheckGroup:
    """Checks that run together, unless one in `needs` failed; `extra` installs what they import."""

    name: str
    checks: Callable[[Site], Iterator[SiteCheck]]
    needs: tuple[str, ...] = ()
    extra: str = ""


_GROUPS = (
    _CheckGroup("machine", machine_checks),
    _CheckGroup("catalog", _catalog),
    _CheckGroup("models", _models, needs=("catalog",)),
    _CheckGroup("lake", _lake),
    _CheckGroup("journal", _journal),
    _CheckGroup("state", _state),
    _CheckGroup("warehouse", _warehouse),
    _CheckGroup("upkeep", _upkeep, needs=("state",)),
    _CheckGroup("removed models", _removed_models, needs=("models", "warehouse")),
    _CheckGroup("published tables", catalog_checks, needs=("models",)),
    _CheckGroup("org", _org),
    _CheckGroup("objects", _objects, needs=("catalog", "org")),
    _CheckGroup("pushes", push_checks, needs=("org",)),
    _CheckGroup("Ad Manager", network_checks, extra="api"),
    _CheckGroup("delivery", field_checks, needs=("org",), extra="api"),
    _CheckGroup("events", event_checks, needs=("catalog", "org")),
    _CheckGroup("TechOne", warehouse_checks),
    _CheckGroup("billing", job_checks, needs=("org",)),
)
