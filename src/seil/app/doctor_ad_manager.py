"""Doctor's checks of delivery reporting: Ad Manager, and what its writes need in Salesforce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seil.checks import SiteCheck
from seil.errors import SeilError

if TYPE_CHECKING:
    from seil.app.site import Site

_CREATE_REPORTS = "give the service account's user a role with 'Create and view reports'"


def uses_ad_manager(site: Site) -> bool:
    """Whether delivery reporting has settings or a schedule, or a network of its own."""
    settings = site.settings
    return (
        "gam_to_sf" in settings.model_fields_set
        or "gam-to-sf" in settings.start.every
        or settings.admanager.endpoint != _stand_in()
    )


def _stand_in() -> str:
    """The default address."""
    from seil.settings import AdManagerSettings

    return AdManagerSettings.model_construct().endpoint


def network_checks(site: Site) -> Iterator[SiteCheck]:
    """That the network answers, and that the service account may read reports."""
    from seil.admanager.client import AdManager

    if not uses_ad_manager(site):
        return
    settings = site.settings.admanager
    admanager = AdManager(settings.model_copy(update={"attempts": 1}))
    try:
        zone = admanager.network_time_zone()
    except SeilError as error:
        cure = error.hint or "check endpoint and network_code in [admanager]"
        if settings.endpoint == _stand_in():
            cure = "start the stand-in with `seil sandbox admanager`, or set endpoint to Google's"
        yield SiteCheck("Ad Manager", "fail", error.message, cure)
        return
    if zone != settings.time_zone:
        detail = f"network {settings.network_code} is in {zone}, [admanager] says otherwise"
        yield SiteCheck("Ad Manager", "warn", detail, f'set time_zone = "{zone}" in [admanager]')
    else:
        yield SiteCheck("Ad Manager", "ok", f"network {settings.network_code}, in {zone}")
    try:
        admanager.check_reports()
    except SeilError as error:
        yield SiteCheck("Ad Manager reports", "fail", error.message, _CREATE_REPORTS)
    else:
        yield SiteCheck("Ad Manager reports", "ok", "can be read")


def field_checks(site: Site) -> Iterator[SiteCheck]:
    """That SEIL's user may update what delivery reporting writes, object by object."""
    from seil.gam_to_sf.flow import written_fields

    if not uses_ad_manager(site):
        return
    for name, fields in written_fields(site.settings.gam_to_sf).items():
        yield _object_check(site, name, fields)


def _object_check(site: Site, name: str, fields: tuple[str, ...]) -> SiteCheck:
    about = f"writing {name}"
    try:
        rules = site.org.write_rules(name)
    except SeilError as error:
        cure = error.hint or f"let the integration user read and edit {name}"
        return SiteCheck(about, "fail", error.message, cure)
    if not rules.updateable:
        cure = f"give the integration user Edit on {name}"
        return SiteCheck(about, "fail", "this user may not edit its records", cure)
    rule_of = {field: rules.get(field) for field in fields}
    fixed = [field for field, rule in rule_of.items() if rule and not rule.updateable]
    unseen = [field for field, rule in rule_of.items() if rule is None]
    if not (fixed or unseen):
        return SiteCheck(about, "ok", ", ".join(fields))
    reasons = [f"{', '.join(unseen)} cannot be seen"] if unseen else []
    reasons += [f"{', '.join(fixed)} cannot be edited"] if fixed else []
    cure = "give the integration user Edit on these fields"
    if name == "Order":
        cure += ", or name yours in [gam_to_sf]"
    return SiteCheck(about, "fail", "; ".join(reasons), cure)
