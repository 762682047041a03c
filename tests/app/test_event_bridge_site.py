"""A site whose events go to EventBridge: what lists them reads the state."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from seil.app import events, handlers
from seil.app.site import Site
from seil.errors import ConfigurationError
from seil.events.envelope import Event
from seil.settings import load_settings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "seil.toml").write_text('[events]\nbus = "dev-sf-to-dw"\n')
    return Site(load_settings(tmp_path / "seil.toml"))


def test_events_are_those_that_the_state_keeps(site: Site) -> None:
    with site:
        assert events.newest(site, {}, limit=5) == []
        published = [Event("seil.sf-to-dw", "load", {"rows": n}, time=NOON) for n in range(3)]
        site.state.events.publish(published)
        assert events.newest(site, {}, limit=2) == [(2, published[1]), (3, published[2])]
        following = events.follow(site, {}, limit=1)
        assert next(following) == (3, published[2])
        assert not site.has_journal


def test_listener_is_refused(site: Site) -> None:
    with site, pytest.raises(ConfigurationError, match=r"events\.bus.*EventBridge's bus"):
        handlers.listener(site, lambda _: None)
