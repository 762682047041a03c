"""The Lambda handlers, and what only AWS needs."""

from __future__ import annotations

import os

# pydantic's search for plugins in every installed package takes a twentieth of a cold start:
# https://docs.pydantic.dev/latest/concepts/plugins/
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
