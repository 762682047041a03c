"""JSON of a request, as strictly as RFC 8259 and RFC 7493 have it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["read"]


def read(text: bytes) -> Any:
    """Raises ValueError, for half a surrogate pair too: nothing that is stored or sent holds it."""
    try:
        found = json.loads(text, parse_constant=_refused)
    except RecursionError as error:
        raise ValueError("It is nested too deeply") from error
    json.dumps(found, ensure_ascii=False).encode()
    return found


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
