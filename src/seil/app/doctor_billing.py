"""What billing needs of TechOne and of the org: only looked at where billing is set up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seil.checks import SiteCheck
from seil.errors import ObjectRejectedError, SeilError, UnavailableError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.salesforce.writes.rules import ObjectRules
    from seil.settings import Settings
    from seil.sf_to_t1.target import TargetTable

_NAME = "billing"


def uses_billing(settings: Settings) -> bool:
    """Whether TechOne's warehouse is another than the stand-in's default, or a run is scheduled."""
    from seil.settings import TechOneSettings

    default = TechOneSettings().warehouse_url
    return settings.techone.warehouse_url != default or "sf-to-t1" in settings.start.every


def warehouse_checks(site: Site) -> Iterator[SiteCheck]:
    """That each table can be read. Whether rows may be imported shows at the first import."""
    from seil.sf_to_t1.target import target_tables

    if not uses_billing(site.settings):
        return
    for table in target_tables(site.settings.sf_to_t1).values():
        yield _table_check(site, table)


def _table_check(site: Site, table: TargetTable) -> SiteCheck:
    from seil.techone.warehouse import TechOneWarehouse

    settings = site.settings.techone.model_copy(update={"attempts": 1})
    name, started = f"{_NAME} {table.place}", time.monotonic()
    column = table.settings.batch_column or table.settings.read_by
    criteria = {column: "seil doctor"} if column else {}
    try:
        with TechOneWarehouse(settings) as techone:
            rows = techone.read(table.name, criteria, lambda _, rows: sum(1 for _ in rows))
    except UnavailableError as error:
        cure = "check warehouse_url in [techone] and the network; docs/connect-techone.md"
        return SiteCheck(name, "fail", error.message, cure)
    except SeilError as error:
        cure = error.hint or "let the user read the warehouse: read_function in [techone]"
        return SiteCheck(name, "fail", error.message, cure)
    seconds = time.monotonic() - started
    if column:
        return SiteCheck(name, "ok", f"can be read by {column}")
    detail = f"can be read: {rows:,} rows in {seconds:.1f} s, as before every 20 batches"
    return SiteCheck(name, "ok", detail)


def job_checks(site: Site) -> Iterator[SiteCheck]:
    """That the status of Integration_Job__c can be written."""
    from seil.sf_to_t1.jobs import OBJECT

    if not uses_billing(site.settings):
        return
    name = f"{_NAME} {OBJECT}"
    try:
        rules = site.org.write_rules(OBJECT)
    except ObjectRejectedError as error:
        cure = "let the integration user read and edit it, with its two fields"
        yield SiteCheck(name, "fail", error.message, cure)
        return
    if problems := list(_problems(rules)):
        cure = "grant edit rights on the object and its fields, and the values of the picklist"
        yield SiteCheck(name, "fail", "; ".join(problems), cure)
    else:
        yield SiteCheck(name, "ok", "its status and message can be written")


def _problems(rules: ObjectRules) -> Iterator[str]:
    from seil.sf_to_t1.jobs import FAILED, MESSAGE, RECEIVED, STATUS

    if not rules.updateable:
        yield "this user may not edit it"
    for field in (STATUS, MESSAGE):
        rule = rules.get(field)
        if rule is None:
            yield f"this user does not see {field}"
        elif not rule.updateable:
            yield f"this user may not edit {field}"
    status = rules.get(STATUS)
    if status and status.values is not None:
        missing = [value for value in (RECEIVED, FAILED) if value not in status.values]
        if missing:
            yield f"{STATUS} has no value {' and '.join(missing)}"
