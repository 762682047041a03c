"""A file's content on this machine's disk, by its hash."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from seil.errors import RetryError
from seil.salesforce.ids import full_id
from seil.sf_to_t1.refusals import REPLACED, BillingFileError
from seil.state.billing import BillingFile, BillingStore

log = logging.getLogger(__name__)

OpenContent = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens the content of a file by its id, in chunks."""

_ATTEMPTS = 3
# Of ContentVersion: a new content is a new version, with an id of its own.
_VERSION_PREFIX = "068"


@dataclass(frozen=True)
class StoredContent:
    """`content_hash` is SHA-256."""

    path: Path
    content_hash: str
    size: int


def is_fixed(file_id: str) -> bool:
    """Whether it always names the same content: a path, a URL and a document's id do not."""
    return bool(full_id(file_id)) and file_id.startswith(_VERSION_PREFIX)


def refuse_changed(file: BillingFile, content: StoredContent, store: BillingStore) -> None:
    """Raises BillingFileError where another content was downloaded under this id before."""
    if file.content_hash in ("", content.content_hash):
        return
    hashes = f"({file.content_hash[:12]}, now {content.content_hash[:12]})"
    if store.is_complete(file):
        reason = f"its content changed since it was imported {hashes}: nothing of it was sent"
        hint = "Import the new content as a file of another name, or of another id"
        raise BillingFileError(file.file_id, REPLACED, reason, hint=hint)
    done = store.counts(file.file_id, file.place).get("committed", 0)
    reason = (
        f"its content changed since it was first downloaded on {file.requested_at:%Y-%m-%d} "
        f"{hashes}: {done} of its batches are in TechOne"
    )
    raise BillingFileError(file.file_id, "changed", reason)


@contextmanager
def stored_content(file_id: str, open_content: OpenContent) -> Iterator[StoredContent]:
    """Downloads it for the length of the block; again from the start where it breaks off."""
    with tempfile.TemporaryDirectory(prefix="seil-billing-") as folder:
        path = Path(folder) / "content.csv"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                content = _download(file_id, open_content, path)
                break
            except RetryError as error:
                if attempt == _ATTEMPTS:
                    raise
                log.warning("%s: %s; downloading it again", file_id, error.message)
        yield content


def _download(file_id: str, open_content: OpenContent, path: Path) -> StoredContent:
    digest, size = hashlib.sha256(), 0
    with open_content(file_id) as chunks, path.open("wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    return StoredContent(path, digest.hexdigest(), size)
