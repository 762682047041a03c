"""Record ids: 15 characters in which case counts, and three more that make case irrelevant."""

from __future__ import annotations

import re

_FORM = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def full_id(text: str) -> str | None:
    """The 18-character form of an id; None when the text is none."""
    if not _FORM.fullmatch(text):
        return None
    return text if len(text) == 18 else text + _suffix(text)


def _suffix(text: str) -> str:
    chunks = (text[at : at + 5] for at in range(0, 15, 5))
    return "".join(
        _SUFFIX[sum(1 << i for i, char in enumerate(chunk) if "A" <= char <= "Z")]
        for chunk in chunks
    )
