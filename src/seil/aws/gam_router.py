"""The router function of Google Ad Manager."""

from __future__ import annotations

from seil.api.edge.routes_gam import gam_router
from seil.aws.router import Router

handler = Router("gam", gam_router)
