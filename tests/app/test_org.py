"""One site, one org: another one is refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.served import served_site

from seil.app import doctor, review, steps
from seil.app.org import adopt_org, org_standing
from seil.app.site import Site
from seil.app.status import site_status
from seil.errors import OtherOrgError
from seil.lake import Lake
from seil.sandbox.salesforce.record_ids import ORG_ID, record_id
from seil.settings import load_settings
from seil.sf_to_dw.extract.org_identity import stored_identity

OTHER = record_id("00D", 2)


@contextmanager
def served(generated: Path, home: Path, org_id: str = ORG_ID) -> Iterator[Site]:
    """The site, whose login leads to an org of this id."""
    with served_site(generated, home, org_id=org_id), Site(load_settings()) as opened:
        yield opened


@pytest.fixture
def site(generated: Path, home: Path) -> Path:
    """A site that has read the accounts of its org; nothing is served afterwards."""
    with served(generated, home) as opened:
        assert not steps.extract(opened, ["Account"]).failed
    return home


NOTES_OF_RUNS = ("run.lock", "run.lease", "conditional#0", "site.json")


def files(home: Path) -> dict[str, bytes]:
    """All that was read and how far; not the lock, and the note of how the last run ended."""
    lake = home / "seil-data" / "lake"
    paths = {str(path.relative_to(lake)): path for path in lake.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in paths.items()
        if not any(note in name for note in NOTES_OF_RUNS)
    }


def test_identity_is_kept_with_the_state(site: Path) -> None:
    lake = Lake.at((site / "seil-data/lake").as_uri(), env="dev", project="seil")
    identity = stored_identity(lake)
    assert identity is not None
    assert (identity.org_id, identity.instance, identity.is_sandbox, identity.time_zone) == (
        ORG_ID,
        "CS5g",
        True,
        "Australia/Sydney",
    )


@pytest.mark.parametrize(
    "step",
    [
        steps.run,
        partial(steps.run, full=True),
        steps.extract,
        partial(steps.reconcile, kinds=("ids",)),
        steps.plan,
        review.compare_fields,
        partial(review.accept, name="Account", policy="read", by="me"),
    ],
    ids=["run", "run --full", "extract", "reconcile", "plan", "schema diff", "schema accept"],
)
def test_another_org_is_refused_before_anything_is_written(
    generated: Path, site: Path, step: Callable[[Site], object]
) -> None:
    before = files(site)
    with served(generated, site, OTHER) as opened, pytest.raises(OtherOrgError) as caught:
        step(opened)
    assert (caught.value.site_org, caught.value.login_org) == (ORG_ID, OTHER)
    assert files(site) == before


def test_doctor_names_both_orgs(generated: Path, site: Path) -> None:
    with served(generated, site, OTHER):
        failed = [check for check in doctor.examine(None) if check.state == "fail"]
    assert OTHER in failed[0].detail
    assert ORG_ID in failed[0].detail
    assert "`seil org`" in failed[0].cure


def test_an_adopted_org_is_read_from_the_beginning(generated: Path, site: Path) -> None:
    with served(generated, site, OTHER) as opened:
        with pytest.raises(OtherOrgError):
            steps.extract(opened, ["Account"])
        assert not adopt_org(opened).is_same
        assert org_standing(opened).is_same
        assert "leads to org" not in site_status(opened).verdict.sentence
    with served(generated, site, OTHER) as opened:
        [flow] = steps.extract(opened, ["Account"]).flows
        assert flow.mode == "full"
    with served(generated, site) as opened, pytest.raises(OtherOrgError):
        steps.extract(opened, ["Account"])


def test_the_own_org_is_not_adopted_again(generated: Path, site: Path) -> None:
    before = files(site)
    with served(generated, site) as opened:
        assert adopt_org(opened, confirm=lambda _: pytest.fail("nobody is asked")).is_same
    assert files(site) == before


def test_a_site_of_a_version_that_kept_no_org_takes_the_first_it_meets(
    generated: Path, site: Path
) -> None:
    (identity,) = site.rglob("org.json")
    identity.unlink()
    with served(generated, site) as opened:
        assert not steps.extract(opened, ["Account"]).failed
    assert identity.exists()
