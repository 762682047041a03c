"""The router function of TechOne."""

from __future__ import annotations

from seil.api.edge.routes_techone import techone_router
from seil.aws.router import Router

handler = Router("techone", techone_router)
