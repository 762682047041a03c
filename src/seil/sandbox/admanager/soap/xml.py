"""The untyped lxml, as Any in one place."""

from __future__ import annotations

import importlib
from typing import Any

etree: Any = importlib.import_module("lxml.etree")
