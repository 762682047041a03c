"""Protobuf's untyped modules, as Any in one place."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

json_format: Any = importlib.import_module("google.protobuf.json_format")
descriptor_pool: Any = importlib.import_module("google.protobuf.descriptor_pool")
operations_pb2: Any = importlib.import_module("google.longrunning.operations_pb2")
FieldDescriptor: Any = importlib.import_module("google.protobuf.descriptor").FieldDescriptor

Message: TypeAlias = Any
"""A descriptor of a message."""
ProtoField: TypeAlias = Any
"""A descriptor of a field."""
