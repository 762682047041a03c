"""State documents: one JSON object a key, changed by compare-and-swap under the fencing token."""

from __future__ import annotations

import json
import random
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.errors import ConflictError, LakeError

if TYPE_CHECKING:
    from seil.lake.buckets import Bucket, Version
    from seil.lake.fence import RunFence

_FENCING = "fencing_token"
# One writer succeeds in each attempt: enough for this many concurrent writers.
_ATTEMPTS = 100
_LONGEST_PAUSE = 0.2

Body = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """`cure` says, in the error for unreadable content, what deleting the document entails."""

    bucket: Bucket
    key: str
    fence: RunFence
    cure: str = ""

    @property
    def deletion_hint(self) -> str:
        """The command that deletes it, and the consequence."""
        path = self.bucket.path(self.key)
        uri = self.bucket.uri(self.key)
        command = f"rm {shlex.quote(str(path))}" if path else f"aws s3 rm {uri}"
        return f"Delete it with `{command}`" + (f"; {self.cure}" if self.cure else "")

    def read(self) -> Body | None:
        """The body without the fencing token; None if the document does not exist."""
        stored = self.version()
        return None if stored is None else self.parse(stored)

    def version(self) -> Version | None:
        """Unparsed, for callers that cache what they parsed by the tag."""
        return self.bucket.version(self.key)

    def parse(self, stored: Version) -> Body:
        return self._parse(stored)[0]

    def change(self, edit: Callable[[Body | None], Mapping[str, Any] | None]) -> Body:
        """Replaces the body with `edit(body)` and returns it; None leaves the document unchanged.

        `edit` is called again after a concurrent write, so that no update is lost. Raises
        LeaseLostError when the document carries a newer holder's token.
        """
        for attempt in range(_ATTEMPTS):
            stored = self.bucket.version(self.key)
            body, token = (None, 0) if stored is None else self._parse(stored)
            token = self.fence.admit(self.bucket.uri(self.key), token)
            new = edit(body)
            if new is None:
                return body or {}
            signed = {**new, _FENCING: token} if token else new
            try:
                self.bucket.put_if(self.key, _text(signed), stored.tag if stored else None)
            except ConflictError:
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.002 * 2**attempt)))
            else:
                return dict(new)
        uri = self.bucket.uri(self.key)
        reason = (
            f"{uri} was not written: other writers changed it before each of {_ATTEMPTS} attempts"
        )
        raise ConflictError(reason, hint="Run the same command again")

    def update(self, **values: Any) -> Body:
        """Sets these values; other keys stay."""
        return self.change(lambda body: {**(body or {}), **values})

    def _parse(self, stored: Version) -> tuple[Body, int]:
        try:
            body = json.loads(stored.data)
            token = body.pop(_FENCING, 0)
        except (ValueError, AttributeError, TypeError) as error:
            uri = self.bucket.uri(self.key)
            reason = f"it is not a document that SEIL wrote ({error})"
            raise LakeError(uri, "read", reason, hint=self.deletion_hint) from error
        return body, token if isinstance(token, int) else 0


def _text(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=1, default=_plain, ensure_ascii=False).encode()


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else vars(value)
