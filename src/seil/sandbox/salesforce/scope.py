"""Resolves a query's names: fields of the object and of related records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.errors import OrgApiError, query_error
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.polymorphic import NAME, is_polymorphic, name_table
from seil.sandbox.salesforce.store import ident

_MAX_LEVELS = 5
_APPEND_C = (
    "If you are attempting to use a custom field, be sure to append the '__c' after the custom"
    " field name. Please reference your WSDL or the describe call for the appropriate names."
)
_APPEND_R = (
    "If you are attempting to use a custom relationship, be sure to append the '__r' after the"
    " custom relationship name. Please reference your WSDL or the describe call for the"
    " appropriate names."
)
_APPEND_ENTITY = (
    "If you are attempting to use a custom object, be sure to append the '__c' after the entity"
    " name. Please reference your WSDL or the describe call for the appropriate names."
)


@dataclass
class Bound:
    """One statement's bound values, its current time, and its table aliases."""

    text: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    values: list[object] = field(default_factory=list)
    tables: int = 0

    def value(self, value: object) -> str:
        """A placeholder for the value."""
        self.values.append(value)
        return f"${len(self.values)}"

    def table(self) -> str:
        self.tables += 1
        return f"t{self.tables}"

    def error(self, at: int, code: str, reason: str) -> OrgApiError:
        return query_error(self.text, at, code, reason)


@dataclass(frozen=True)
class Resolved:
    """A resolved field: `path` in the describe's spelling; `sql` is empty for compound ones."""

    path: tuple[str, ...]
    owner: SObject
    field: SField
    table: str

    @property
    def sql(self) -> str:
        return f"{self.table}.{ident(self.field.name)}"

    def part(self, entry: SField) -> str:
        return f"{self.table}.{ident(entry.name)}"


@dataclass(frozen=True)
class RelatedTable:
    """A relationship's records; `Type` names the object of a polymorphic one."""

    table: str
    entity: SObject
    reference: SField
    spelling: str
    clause: str

    @property
    def id_sql(self) -> str:
        return f'{self.table}."Id"'

    @property
    def type_sql(self) -> str | None:
        return f'{self.table}."Type"' if self.entity is NAME else None


class QueryScope:
    """One SELECT's FROM clause. Resolving a name adds its join."""

    def __init__(self, objects: Mapping[str, SObject], query: soql.Query, bound: Bound) -> None:
        if query.object not in objects:
            raise bound.error(
                query.at,
                "INVALID_TYPE",
                f"sObject type '{query.object}' is not supported. {_APPEND_ENTITY}",
            )
        self.entity = objects[query.object]
        self.bound = bound
        self.table = bound.table()
        self._objects = objects
        self._own_names = {n.lower() for n in (query.alias, query.object) if n}
        self._joined: dict[tuple[str, ...], RelatedTable] = {}

    @property
    def from_clause(self) -> str:
        """Call it after all names are resolved."""
        clauses = [f"FROM main.{ident(self.entity.name)} AS {self.table}"]
        return " ".join([*clauses, *(joined.clause for joined in self._joined.values())])

    def resolve(self, name: soql.FieldPath) -> Resolved:
        path = self._without_own_name(name.path)
        if len(path) - 1 > _MAX_LEVELS:
            raise self.bound.error(
                name.at,
                "INVALID_FIELD",
                f"Relationship traversal of {'.'.join(path)} exceeds {_MAX_LEVELS} levels",
            )
        table, entity = self.table, self.entity
        spelling: tuple[str, ...] = ()
        for depth in range(len(path) - 1):
            joined = self._join(path[: depth + 1], (table, entity), name.at)
            table, entity = joined.table, joined.entity
            spelling = (*spelling, joined.spelling)
        if not (field := entity.field(path[-1])):
            raise self.unknown_field(path[-1], entity, name.at)
        return Resolved((*spelling, field.name), entity, field, table)

    def parent(self, path: tuple[str, ...]) -> RelatedTable:
        """The object of a resolved path."""
        return self._joined[tuple(part.lower() for part in path)]

    def unknown_field(self, name: str, entity: SObject, at: int) -> OrgApiError:
        reason = f"No such column '{name}' on entity '{entity.name}'. {_APPEND_C}"
        return self.bound.error(at, "INVALID_FIELD", reason)

    def _without_own_name(self, path: tuple[str, ...]) -> tuple[str, ...]:
        own = len(path) > 1 and path[0].lower() in self._own_names
        return path[1:] if own and not self.entity.relationship(path[0]) else path

    def _join(self, path: tuple[str, ...], parent: tuple[str, SObject], at: int) -> RelatedTable:
        key = tuple(part.lower() for part in path)
        if key not in self._joined:
            table, entity = parent
            reference = entity.relationship(path[-1])
            target = self._target(reference) if reference else None
            if not reference or not target:
                raise self.bound.error(
                    at,
                    "INVALID_FIELD",
                    f"Didn't understand relationship '{path[-1]}' in field path. {_APPEND_R}",
                )
            alias = self.bound.table()
            own = f"main.{ident(target.name)}"
            records = name_table(self._objects, reference) if target is NAME else own
            clause = (
                f'LEFT JOIN {records} AS {alias} ON {alias}."Id" = {table}.{ident(reference.name)}'
            )
            spelling = reference.relationship_name or path[-1]
            self._joined[key] = RelatedTable(alias, target, reference, spelling, clause)
        return self._joined[key]

    def _target(self, reference: SField) -> SObject | None:
        if is_polymorphic(reference):
            return NAME
        return next((self._objects[n] for n in reference.reference_to if n in self._objects), None)
