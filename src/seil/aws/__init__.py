"""What only AWS needs."""

from __future__ import annotations

import os

# Asking every installed package whether it has a plugin is a twentieth of a function's start:
# https://docs.pydantic.dev/latest/concepts/plugins/
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
