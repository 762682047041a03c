"""Validates requests with the field behaviour in the client's documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import invalid, required_error
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.protobuf import FieldDescriptor, Message, ProtoField

# Documented as required, yet documented as valid when empty: ReportDefinition.
_MAY_BE_EMPTY = frozenset({"dimensions", "metrics"})
_RESOURCES = frozenset(
    f"google.ads.admanager.v1.{name}" for name in ("Order", "LineItem", "Report", "Network")
)


def check_message(descriptor: Message, message: Mapping[str, Any]) -> None:
    """Refuses unknown enum numbers, and a request without its required fields; the resources in
    it may be partial, as an update's are.
    """
    _check_enums(descriptor, message, "")
    _check_required(descriptor, message, "", resources=False)


def check_resource(full_name: str, resource: Mapping[str, Any], *, at: str = "") -> None:
    """The required fields of a new resource and its nested objects."""
    _check_required(schema.descriptor(full_name), resource, at, resources=True)


def without_output(full_name: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Output-only fields of a request are ignored: https://google.aip.dev/203."""
    behaviours = schema.behaviours(full_name)
    return {
        name: value for name, value in resource.items() if "Output only" not in behaviours[name]
    }


def check_mask(full_name: str, paths: list[str]) -> None:
    """An update mask may not name output-only or unknown fields."""
    behaviours = schema.behaviours(full_name)
    for path in paths:
        if schema.field_at(schema.descriptor(full_name), path) is None:
            raise invalid(f"update_mask names {path}, which does not exist", field="update_mask")
        if behaviours[path.partition(".")[0]] & {"Output only", "Identifier"}:
            message = f"update_mask names {path}, which cannot be set"
            raise invalid(message, field="update_mask", trigger=path)


def _check_required(
    descriptor: Message, message: Mapping[str, Any], at: str, *, resources: bool
) -> None:
    if not resources and descriptor.full_name in _RESOURCES:
        return
    for name, kinds in schema.behaviours(descriptor.full_name).items():
        if "Required" in kinds and name not in message and name not in _MAY_BE_EMPTY:
            raise required_error(f"{at}{name}")
    for field, path, value in _inner(descriptor, message, at):
        if field.message_type and not _is_plain(field):
            _check_required(field.message_type, value, f"{path}.", resources=resources)


def _check_enums(descriptor: Message, message: Mapping[str, Any], at: str) -> None:
    for field, path, value in _inner(descriptor, message, at):
        if field.type == FieldDescriptor.TYPE_ENUM and isinstance(value, int):
            enum = field.enum_type.full_name
            raise invalid(f"Invalid value at '{path}' ({enum}), {value}", field=path)
        if field.message_type and not _is_plain(field):
            _check_enums(field.message_type, value, f"{path}.")


def _inner(
    descriptor: Message, message: Mapping[str, Any], at: str
) -> list[tuple[ProtoField, str, Any]]:
    """Every member with its path; list members one by one."""
    members = []
    for field in descriptor.fields:
        value = message.get(field.json_name)
        if isinstance(value, list):
            members += [(field, f"{at}{field.json_name}[{i}]", v) for i, v in enumerate(value)]
        elif value is not None:
            members.append((field, f"{at}{field.json_name}", value))
    return members


def _is_plain(field: ProtoField) -> bool:
    """Whether it is protobuf's own message, without documented behaviour."""
    return bool(schema.message_class(field.message_type) is None)
