"""The org's metadata: versions, resources, objects, fields, layouts."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from seil.sandbox.salesforce.errors import OrgApiError, not_found
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.store import OrgStore

NEWEST = 68  # Winter '27
_OLDEST = 31  # Summer '14
_SEASONS = ("Summer", "Winter", "Spring")
_RESOURCES = (
    "composite",
    "jobs",
    "limits",
    "query",
    "queryAll",
    "sobjects",
)
_MAX_BATCH = 200


class Describe:
    """`identity_path` is where the integration user is described."""

    def __init__(self, store: OrgStore, *, identity_path: str) -> None:
        self._store = store
        self._identity_path = identity_path
        self._changed = datetime.now(UTC).replace(microsecond=0)

    def routes(self) -> list[OrgRoute]:
        base = "/services/data/{version}"
        entry = f"{base}/sobjects/{{object}}"
        return [
            OrgRoute("GET", "/services/data", self._versions, open=True),
            OrgRoute("GET", base, self._resources),
            OrgRoute("GET", f"{base}/jobs", self._jobs),
            OrgRoute("GET", f"{base}/composite", self._composite),
            OrgRoute("GET", f"{base}/sobjects", self._global),
            OrgRoute("GET", entry, self._metadata),
            OrgRoute("GET", f"{entry}/describe", self._describe),
            OrgRoute("GET", f"{entry}/describe/compactLayouts", self._compact_layouts),
            OrgRoute("GET", f"{entry}/describe/approvalLayouts", self._approval_layouts),
            OrgRoute("GET", f"{entry}/describe/layouts", self._layouts),
            OrgRoute("GET", f"{entry}/describe/layouts/{{layout}}", self._layouts),
        ]

    def schema_changed(self) -> None:
        """Invalidates If-Modified-Since."""
        self._changed = datetime.now(UTC).replace(microsecond=0)

    def object(self, call: OrgRequest) -> SObject:
        return find_object(self._store, call.args["object"])

    def answer(self, entity: SObject, root: str) -> dict[str, Any]:
        answer = entity.describe(self._store.objects.values())
        return {**answer, "urls": _urls(entity, root)}

    def _versions(self, _call: OrgRequest) -> OrgReply:
        versions = []
        for number in range(_OLDEST, NEWEST + 1):
            year, season = divmod(number - _OLDEST, 3)
            label = f"{_SEASONS[season]} '{14 + year + (season > 0)}"
            versions.append(
                {"label": label, "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            )
        return OrgReply(200, versions)

    def _resources(self, call: OrgRequest) -> OrgReply:
        """Lists the resources that exist here; an org has more."""
        resources = {name: f"{call.root}/{name}" for name in _RESOURCES}
        return OrgReply(200, {**resources, "identity": f"{call.base_url}{self._identity_path}"})

    def _jobs(self, call: OrgRequest) -> OrgReply:
        return OrgReply(200, {name: f"{call.root}/jobs/{name}" for name in ("ingest", "query")})

    def _composite(self, call: OrgRequest) -> OrgReply:
        names = ("batch", "graph", "sobjects")
        return OrgReply(200, {name: f"{call.root}/composite/{name}" for name in names})

    def _compact_layouts(self, call: OrgRequest) -> OrgReply:
        """The system's own: the name alone."""
        entity = self.object(call)
        field = entity.name_field
        fields = (
            [{"label": field.raw.get("label", field.name), "value": field.name}] if field else []
        )
        layout = {
            "fieldItems": fields,
            "id": None,
            "label": "System Default",
            "name": "SYSTEM",
            "objectType": entity.name,
        }
        return OrgReply(
            200,
            {
                "compactLayouts": [layout],
                "defaultCompactLayoutId": None,
                "recordTypeCompactLayoutMappings": [],
            },
        )

    def _approval_layouts(self, call: OrgRequest) -> OrgReply:
        self.object(call)
        return OrgReply(200, {"approvalLayouts": []})

    def _global(self, call: OrgRequest) -> OrgReply:
        objects = [
            {**entity.global_describe(), "urls": _urls(entity, call.root)}
            for entity in self._store.objects.values()
        ]
        return self._if_modified(
            call, {"encoding": "UTF-8", "maxBatchSize": _MAX_BATCH, "sobjects": objects}
        )

    def _metadata(self, call: OrgRequest) -> OrgReply:
        entity = self.object(call)
        find_object = {**entity.global_describe(), "urls": _urls(entity, call.root)}
        return OrgReply(200, {"objectDescribe": find_object, "recentItems": []})

    def _describe(self, call: OrgRequest) -> OrgReply:
        return self._if_modified(call, self.answer(self.object(call), call.root))

    def _layouts(self, call: OrgRequest) -> OrgReply:
        """One section with every field that a page can show."""
        entity = self.object(call)
        rows = [
            {
                "numItems": 1,
                "layoutItems": [
                    {
                        "label": entry.raw.get("label", entry.name),
                        "required": not entry.nillable,
                        "editableForUpdate": entry.updateable,
                        "layoutComponents": [{"type": "Field", "value": entry.name}],
                    }
                ],
            }
            for entry in entity.fields
            if entry.type != "id"
        ]
        section = {"heading": "Information", "columns": 1, "rows": len(rows), "layoutRows": rows}
        layout = {
            "id": call.args.get("layout"),
            "detailLayoutSections": [section],
            "editLayoutSections": [section],
        }
        if call.args.get("layout"):
            return OrgReply(200, layout)
        return OrgReply(200, {"layouts": [layout], "recordTypeMappings": []})

    def _if_modified(self, call: OrgRequest, answer: dict[str, Any]) -> OrgReply:
        headers = {"Last-Modified": format_datetime(self._changed, usegmt=True)}
        since = call.headers.get("If-Modified-Since", "")
        if since and _moment(since) >= self._changed:
            return OrgReply(304, b"", "", headers)
        return OrgReply(200, answer, headers=headers)


def find_object(store: OrgStore, name: str) -> SObject:
    if name not in store.objects:
        raise not_found()
    return store.object(name)


def _moment(text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise OrgApiError(400, "INVALID_HEADER", f"If-Modified-Since is no date: {text}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _urls(entity: SObject, root: str) -> dict[str, str]:
    base = f"{root}/sobjects/{entity.name}"
    return {
        "compactLayouts": f"{base}/describe/compactLayouts",
        "rowTemplate": f"{base}/{{ID}}",
        "approvalLayouts": f"{base}/describe/approvalLayouts",
        "describe": f"{base}/describe",
        "layouts": f"{base}/describe/layouts",
        "sobject": base,
    }
