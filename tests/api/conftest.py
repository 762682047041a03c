from __future__ import annotations

from tests.issuers import clock, issuer, keys_folder

__all__ = ["clock", "issuer", "keys_folder"]
