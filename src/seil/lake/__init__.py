"""The lake: files in buckets, addressed by URL."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO

from seil.errors import LakeError
from seil.lake.buckets import Bucket, Entry, Version
from seil.lake.documents import Document
from seil.lake.fence import RunFence
from seil.lake.keys import ArchivedFile, LandedFile, archived_file, landed_file

__all__ = [
    "ArchivedFile",
    "Bucket",
    "Document",
    "Entry",
    "Lake",
    "LandedFile",
    "RunFence",
    "Version",
    "archived_file",
    "landed_file",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lake:
    """The buckets of Salesforce -> warehouse in one environment.

    landing holds in/, processed/ and error/; curated the clean copies; staging SEIL's own documents
    (flow states, schemas, exceptions). `fence` refuses the writes of a run that lost its lease.
    """

    env: str
    landing: Bucket
    curated: Bucket
    staging: Bucket
    fence: RunFence = field(default_factory=RunFence, compare=False)

    @classmethod
    def at(cls, url: str, *, env: str, project: str) -> Lake:
        """`url` is the parent: a folder URL, or `s3://` for buckets named by the convention."""
        separator = "" if url.endswith("/") else "/"
        stem = f"{url}{separator}{project}-{env}-sf-to-dw"
        fence = RunFence()
        return cls(
            env,
            landing=Bucket(f"{stem}-landing", guard=fence.check),
            curated=Bucket(f"{stem}-curated", guard=fence.check),
            staging=Bucket(f"{stem}-staging", guard=fence.check),
            fence=fence,
        )

    def open_url(self, url: str) -> AbstractContextManager[IO[bytes]]:
        """Like `Bucket.reader`, for the `uri` of a file in any of the buckets.

        Raises LakeError for any other URL.
        """
        for bucket in (self.curated, self.landing, self.staging):
            if url.startswith(f"{bucket.url}/"):
                return bucket.reader(url.removeprefix(f"{bucket.url}/"))
        raise LakeError(url, "read", "it is outside this lake's buckets")

    def document(self, key: str, *, cure: str = "") -> Document:
        """A state document in staging; `cure` says what deleting it entails."""
        return Document(self.staging, key, fence=self.fence, cure=cure)

    def sweep_partial(self) -> None:
        """Deletes partial files of killed writers. The caller holds the run lock."""
        for bucket in (self.landing, self.curated, self.staging):
            for path in bucket.sweep_partial():
                log.info("removed %s: its writer was killed", path)
