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

log = logging.getLogger(__name__)

OpenContent = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Opens the content of a file by its id, in chunks."""

_ATTEMPTS = 3


@dataclass(frozen=True)
class StoredContent:
    """`content_hash` is SHA-256."""

    path: Path
    content_hash: str
    size: int


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
