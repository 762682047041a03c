"""The router function of TechOne."""

from __future__ import annotations

from seil.aws.cold_start import uncollected

with uncollected():
    from seil.aws.router import Router

handler = Router("techone")
