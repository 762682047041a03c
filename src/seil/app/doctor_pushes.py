"""What `seil doctor` checks of pushes: that SEIL's user may write what they declare."""

from __future__ import annotations

from collections.abc import Iterator

from seil.app.pushes import push_names
from seil.app.site import Site
from seil.checks import SiteCheck
from seil.errors import ConfigurationError, SeilError


def push_checks(site: Site) -> Iterator[SiteCheck]:
    """Object by object, by its describe; the queries are not run."""
    for name in push_names(site):
        yield from _push_check(site, name)


def _push_check(site: Site, name: str) -> Iterator[SiteCheck]:
    from seil.dw_to_sf.checks import checked_rules
    from seil.dw_to_sf.definition import load_definition

    about = f"push {name}"
    try:
        definition = load_definition(site.settings.push.folder, name)
        columns = [field.column for field in definition.fields.values()]
        rules = site.org.write_rules(definition.object)
        checked_rules(definition, rules, [definition.source_key, definition.parent, *columns])
    except ConfigurationError as error:
        for problem in error.problems:
            cure = problem.cure or "give the integration user Edit on the object and its fields"
            yield SiteCheck(about, "fail", f"{problem.place}: {problem.reason}", cure)
    except SeilError as error:
        cure = error.hint or "let the integration user read and edit the object"
        yield SiteCheck(about, "fail", error.message, cure)
    else:
        yield SiteCheck(about, "ok", f"{definition.object}: this user may {definition.operation}")
