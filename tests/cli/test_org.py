"""One site, one org: another one is refused before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seil.lake import Lake
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.record_ids import ORG_ID, record_id
from seil.sandbox.salesforce.server import OrgServer
from seil.sf_to_dw.extract.org_identity import stored_identity

Seil = Callable[..., Any]
OTHER = record_id("00D", 2)


@pytest.fixture
def site(generated: Path, home: Path, seil: Seil) -> Path:
    """A site that has read the accounts of its org; nothing is served afterwards."""
    shutil.copytree(generated, home / "org")
    with served(home):
        assert seil("extract", "Account").code == 0
    return home


@contextmanager
def served(home: Path, org_id: str = ORG_ID) -> Iterator[OrgServer]:
    with OrgServer(home / "org", options=OrgOptions(org_id=org_id)) as server:
        config = f'[salesforce]\nlogin_url = "{server.url}"\nattempts = 1\n'
        (home / "seil.toml").write_text(config + "[extract]\npoll = 0.05\n")
        yield server


NOTES_OF_RUNS = ("run.lock", "run.lease", "conditional#0", "site.json")


def files(home: Path) -> dict[str, bytes]:
    """All that was read and how far; not the lock, and the note of how the last run ended."""
    lake = home / "seil-data" / "lake"
    held = {str(path.relative_to(lake)): path for path in lake.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in held.items()
        if not any(note in name for note in NOTES_OF_RUNS)
    }


def test_identity_is_kept_with_the_state(site: Path) -> None:
    lake = Lake.at((site / "seil-data/lake").as_uri(), env="dev", project="seil")
    kept = stored_identity(lake)
    assert kept is not None
    assert (kept.org_id, kept.instance, kept.is_sandbox, kept.time_zone) == (
        ORG_ID,
        "CS5g",
        True,
        "Australia/Sydney",
    )


@pytest.mark.parametrize(
    "line",
    [
        ("run",),
        ("run", "--full"),
        ("extract",),
        ("reconcile", "--ids"),
        ("plan",),
        ("schema", "diff"),
        ("schema", "accept", "Account", "--as", "read"),
    ],
    ids=" ".join,
)
def test_another_org_is_refused_before_anything_is_written(
    site: Path, seil: Seil, line: tuple[str, ...]
) -> None:
    before = files(site)
    with served(site, OTHER):
        ran = seil(*line)
    assert ran.code == 2
    assert OTHER in ran.err
    assert ORG_ID in ran.err
    assert "`seil org`" in ran.err
    assert files(site) == before


def test_doctor_names_both_orgs(site: Path, seil: Seil) -> None:
    with served(site, OTHER):
        ran = seil("doctor", "--json")
    failed = [check for check in ran.json["checks"] if check["state"] == "fail"]
    assert OTHER in failed[0]["detail"]
    assert ORG_ID in failed[0]["detail"]
    assert "`seil org`" in failed[0]["cure"]


def test_both_orgs_are_shown(site: Path, seil: Seil) -> None:
    with served(site):
        assert seil("org").code == 0
    with served(site, OTHER):
        ran = seil("org", "--json")
    assert ran.code == 1
    assert (ran.json["site"]["org_id"], ran.json["login"]["org_id"]) == (ORG_ID, OTHER)


def test_adopted_org_is_read_from_the_beginning(site: Path, seil: Seil) -> None:
    with served(site, OTHER):
        assert seil("extract", "Account").code == 2
        adopted = seil("org", "adopt", "--yes", "--json")
        assert (adopted.code, adopted.json["adopted"]) == (0, True)
        assert "leads to org" not in seil("status").out
        ran = seil("extract", "Account", "--json")
        assert ran.code == 0
        assert '"mode": "full"' in ran.out
    with served(site):
        assert seil("extract", "Account").code == 2


def test_no_confirmation_is_requested_with_json(site: Path, seil: Seil) -> None:
    with served(site, OTHER):
        ran = seil("org", "adopt", "--json")
    assert ran.code == 2
    assert "--yes" in ran.err + ran.out


def test_own_org_is_not_adopted_again(site: Path, seil: Seil) -> None:
    before = files(site)
    with served(site):
        ran = seil("org", "adopt")
    assert ran.code == 0
    assert "Nothing to adopt" in ran.out
    assert files(site) == before


def test_site_of_a_version_that_kept_no_org_takes_the_first_it_meets(
    site: Path, seil: Seil
) -> None:
    (identity,) = site.rglob("org.json")
    identity.unlink()
    with served(site):
        assert seil("extract", "Account").code == 0
    assert identity.exists()
