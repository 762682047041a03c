"""What the org's describe says of objects whose change events name their schema."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seil.sf_to_dw.schema.registry import readable_schema

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.salesforce.org import Org
    from seil.salesforce.schema import ObjectSchema

# Formula fields and permissions are in no event's schema.
_FRESH_SECONDS = 600.0


@dataclass(frozen=True)
class _Described:
    schema: ObjectSchema
    schema_ids: frozenset[str]
    read_at: float

    def is_of(self, schema_ids: frozenset[str]) -> bool:
        """Not where events have two schemas: it may have been read in between."""
        is_fresh = time.monotonic() - self.read_at < _FRESH_SECONDS
        return is_fresh and len(schema_ids) == 1 and self.schema_ids == schema_ids


@dataclass
class DescribedObjects:
    """A describe is read again with another schema of events, and after ten minutes."""

    _objects: dict[str, _Described] = field(default_factory=dict)

    def get(self, org: Org, obj: SyncedObject, schema_ids: frozenset[str]) -> ObjectSchema:
        """Raises as `Org.describe` does."""
        last = self._objects.get(obj.api_name)
        if last is None or not last.is_of(schema_ids):
            read_at = time.monotonic()
            last = _Described(readable_schema(org, obj), schema_ids, read_at)
            self._objects[obj.api_name] = last
        return last.schema

    def forget(self, obj: SyncedObject) -> None:
        self._objects.pop(obj.api_name, None)
