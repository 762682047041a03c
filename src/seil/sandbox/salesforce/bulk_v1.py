"""Bulk API 1, which this org does not have.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/asynch_api_reference_errors.htm
"""

from __future__ import annotations

from seil.sandbox.salesforce.auth import Logins
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute

_NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"


class BulkV1:
    """Refuses every request, in JSON where the request is JSON and in XML elsewhere."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def routes(self) -> list[OrgRoute]:
        path = "/services/async/{rest*}"
        return [OrgRoute(method, path, self._refuse, open=True) for method in ("GET", "POST")]

    def _refuse(self, call: OrgRequest) -> OrgReply:
        if self._logins.session(call.headers) is None:
            return _error(call, "InvalidSessionId", "Invalid session id")
        return _error(call, "FeatureNotEnabled", "Async API not enabled")


def _error(call: OrgRequest, code: str, message: str) -> OrgReply:
    if call.headers.get("Content-Type", "").startswith("application/json"):
        body = {"exceptionCode": code, "exceptionMessage": message}
        return OrgReply(400, body, "application/json")
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><error xmlns="{_NAMESPACE}">'
        f"<exceptionCode>{code}</exceptionCode><exceptionMessage>{message}</exceptionMessage></error>"
    )
    return OrgReply(400, text.encode(), "application/xml")
