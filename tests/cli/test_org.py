"""What a person sees of a site's org, and of one that is not the site's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.served import served_site

from seil.sandbox.salesforce.record_ids import ORG_ID, record_id

Seil = Callable[..., Any]
OTHER = record_id("00D", 2)


@pytest.fixture
def site(generated: Path, home: Path, seil: Seil) -> Path:
    """A site that has read the accounts of its org; nothing is served afterwards."""
    with served_site(generated, home):
        assert seil("extract", "Account").code == 0
    return home


def test_both_orgs_are_shown(generated: Path, site: Path, seil: Seil) -> None:
    with served_site(generated, site):
        assert seil("org").code == 0
    with served_site(generated, site, org_id=OTHER):
        refused = seil("run")
        ran = seil("org", "--json")
    assert refused.code == 2
    assert all(part in refused.err for part in (OTHER, ORG_ID, "`seil org`"))
    assert ran.code == 1
    assert (ran.json["site"]["org_id"], ran.json["login"]["org_id"]) == (ORG_ID, OTHER)


def test_an_org_is_adopted_on_a_yes_only(generated: Path, site: Path, seil: Seil) -> None:
    with served_site(generated, site, org_id=OTHER):
        ran = seil("org", "adopt", "--json")
        assert ran.code == 2
        assert "--yes" in ran.err + ran.out
        adopted = seil("org", "adopt", "--yes", "--json")
        assert (adopted.code, adopted.json["adopted"]) == (0, True)
        again = seil("org", "adopt")
    assert again.code == 0
    assert "Nothing to adopt" in again.out
