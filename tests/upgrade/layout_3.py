"""A site of layout 3, whose decisions, runs and open failures are documents in staging.

One object, Widget__c, was read by three runs; a decision splits a column whose type changed; a run
failed at its query job, and the last run was killed. The org is not part of it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

ARCHIVE = Path(__file__).with_name("layout_3.tar.xz")
STAGING = Path("lake/seil-dev-sf-to-dw-staging")
DECISIONS = ["column size__c_text", "accept"]
RUNS = ["20261130T093133Z-db29b703", "20261130T093125Z-7fb136f3"]


def unpack(folder: Path) -> Path:
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


def documents(folder: Path) -> list[str]:
    """What the state takes over."""
    kinds = ("decisions", "health")
    places = [path for kind in kinds for path in (folder / STAGING / kind).rglob("*.json")]
    return sorted(str(path.relative_to(folder / STAGING)) for path in places)
