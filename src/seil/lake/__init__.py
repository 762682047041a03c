"""The lake: files in buckets, addressed by URL."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from seil.lake.buckets import Bucket, Entry
from seil.lake.keys import ArchivedFile, LandedFile, archived_file, landed_file

__all__ = [
    "ArchivedFile",
    "Bucket",
    "Entry",
    "Lake",
    "LandedFile",
    "archived_file",
    "landed_file",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lake:
    """The buckets of Salesforce -> warehouse in one environment.

    landing holds in/, processed/ and error/; curated the clean copies; staging our own state
    (flow states, schemas, exceptions).
    """

    env: str
    landing: Bucket
    curated: Bucket
    staging: Bucket

    @classmethod
    def at(cls, url: str, *, env: str, project: str) -> Lake:
        """`url` is the parent: a folder URL, or `s3://` for buckets named by the convention."""
        separator = "" if url.endswith("/") else "/"
        stem = f"{url}{separator}{project}-{env}-sf-to-dw"
        return cls(
            env,
            landing=Bucket(f"{stem}-landing"),
            curated=Bucket(f"{stem}-curated"),
            staging=Bucket(f"{stem}-staging"),
        )

    def sweep_partial(self) -> None:
        """Removes what killed writers left. For whoever holds the run lock."""
        for bucket in (self.landing, self.curated, self.staging):
            for path in bucket.sweep_partial():
                log.info("removed %s: its writer was killed", path)
