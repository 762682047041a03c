"""A session's identity: identity URL, userinfo and introspection.

https://developer.salesforce.com/docs/platform/mobile-sdk/guide/oauth-using-identity-urls.html
https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oidc_token_introspection.htm
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from seil.salesforce.ids import full_id
from seil.sandbox.salesforce.auth import SCOPE, Logins, OrgSession
from seil.sandbox.salesforce.describe import NEWEST
from seil.sandbox.salesforce.errors import not_found
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.store import OrgStore

_TEXT = "text/html;charset=UTF-8"
_NO_VERSION = "{version}"
_PHOTO = "/profilephoto/005"
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
_ADDRESS = {
    "street": "Street",
    "city": "City",
    "state": "State",
    "zip": "PostalCode",
    "country": "Country",
}


class IdentityRoutes:
    """Identity data comes from the User record."""

    def __init__(self, store: OrgStore, logins: Logins) -> None:
        self._store = store
        self._logins = logins

    def routes(self) -> list[OrgRoute]:
        oauth = "/services/oauth2"
        return [
            OrgRoute("GET", f"{oauth}/userinfo", self.userinfo, open=True),
            OrgRoute("POST", f"{oauth}/userinfo", self.userinfo, open=True),
            OrgRoute("GET", f"{_PHOTO}/{{size}}", self._photo, open=True),
            OrgRoute("GET", "/", self._page, open=True),
            OrgRoute("GET", "/{user}", self._profile, open=True),
            OrgRoute("POST", f"{oauth}/introspect", self.introspect, open=True),
            OrgRoute("GET", "/id/{org}/{user}", self.identity, open=True),
            OrgRoute("POST", "/id/{org}/{user}", self.identity, open=True),
        ]

    def identity(self, call: OrgRequest) -> OrgReply:
        """The token may be in `oauth_token`; `version` completes the URLs."""
        presented = call.params.get("oauth_token")
        if not presented and "Authorization" not in call.headers:
            return OrgReply(403, b"Missing_OAuth_Token", _TEXT)
        headers = {"Authorization": f"Bearer {presented}"} if presented else call.headers
        if self._logins.session(headers) is None:
            return OrgReply(403, b"Bad_OAuth_Token", _TEXT)
        if full_id(call.args["org"]) != self._logins.org_id:
            return OrgReply(403, b"Wrong_Org", _TEXT)
        user = self._user(call.args["user"])
        if user is None:
            return OrgReply(404, b"Bad_Id", _TEXT)
        requested = call.params.get("version") or _NO_VERSION
        version = f"{NEWEST}.0" if requested == "latest" else requested
        return OrgReply(200, self._of(call, user, version))

    def userinfo(self, call: OrgRequest) -> OrgReply:
        session = self._logins.session(call.headers)
        user = self._user(self._logins.user_id)
        if session is None or user is None:
            return OrgReply(403, b"Bad_OAuth_Token", _TEXT)
        base = call.base_url
        answer = {
            "sub": f"{base}{self._logins.identity_path}",
            "user_id": user["Id"],
            "organization_id": self._logins.org_id,
            "preferred_username": user["Username"],
            "nickname": user.get("CommunityNickname"),
            "name": user["Name"],
            "email": user.get("Email"),
            "email_verified": True,
            "given_name": user.get("FirstName"),
            "family_name": user.get("LastName"),
            "zoneinfo": user.get("TimeZoneSidKey"),
            "photos": {"picture": f"{base}{_PHOTO}/F", "thumbnail": f"{base}{_PHOTO}/T"},
            "profile": f"{base}/{user['Id']}",
            "picture": f"{base}{_PHOTO}/F",
            "address": _address(user),
            "urls": _urls(call, _NO_VERSION),
            "active": user.get("IsActive", True),
            "user_type": "STANDARD",
            "language": user.get("LanguageLocaleKey"),
            "locale": user.get("LocaleSidKey"),
            "utcOffset": _utc_offset(user.get("TimeZoneSidKey")),
            "updated_at": _format(user.get("LastModifiedDate")),
            "is_app_installed": True,
        }
        return OrgReply(200, answer)

    def introspect(self, call: OrgRequest) -> OrgReply:
        """RFC 7662; only for the app that the token was issued to."""
        form = dict(parse_qsl(call.text(), keep_blank_values=True)) | dict(call.params)
        self._logins.client(call, form)
        hint = form.get("token_type_hint", "")
        kinds = ("refresh", "access") if hint == "refresh_token" else ("access", "refresh")
        for kind in kinds:
            if session := self._logins.token_session(form.get("token", ""), kind=kind):
                return OrgReply(200, self._introspect(call, session, kind))
        return OrgReply(200, {"active": False})

    def _photo(self, _call: OrgRequest) -> OrgReply:
        return OrgReply(200, _PIXEL, "image/png")

    def _profile(self, call: OrgRequest) -> OrgReply:
        if self._user(call.args["user"]) is None:
            raise not_found()
        return self._page(call)

    def _page(self, _call: OrgRequest) -> OrgReply:
        """The org's URL for browsers."""
        return OrgReply(200, b"<html><body>The stand-in org has no pages.</body></html>", _TEXT)

    def _introspect(self, call: OrgRequest, session: OrgSession, kind: str) -> dict[str, Any]:
        user = self._user(self._logins.user_id) or {}
        answer: dict[str, Any] = {
            "active": True,
            "scope": SCOPE,
            "client_id": session.client_id,
            "username": user.get("Username"),
            "sub": f"{call.base_url}{self._logins.identity_path}",
            "token_type": f"{kind}_token",
        }
        if session.expires is not None:
            issued = int(session.expires - self._logins.lifetime)
            answer |= {"exp": int(session.expires), "iat": issued, "nbf": issued}
        return answer

    def _of(self, call: OrgRequest, user: dict[str, Any], version: str) -> dict[str, Any]:
        return {
            "id": f"{call.base_url}/id/{self._logins.org_id}/{user['Id']}",
            "asserted_user": user["Id"] == self._logins.user_id,
            "user_id": user["Id"],
            "organization_id": self._logins.org_id,
            "username": user["Username"],
            "nick_name": user.get("CommunityNickname"),
            "display_name": user["Name"],
            "email": user.get("Email"),
            "email_verified": True,
            "first_name": user.get("FirstName"),
            "last_name": user.get("LastName"),
            "timezone": user.get("TimeZoneSidKey"),
            **{f"addr_{name}": user.get(field) for name, field in _ADDRESS.items()},
            "mobile_phone": user.get("MobilePhone"),
            "mobile_phone_verified": False,
            "is_lightning_login_user": False,
            "status": {"created_date": None, "body": None},
            "urls": _urls(call, version),
            "active": user.get("IsActive", True),
            "user_type": "STANDARD",
            "language": user.get("LanguageLocaleKey"),
            "locale": user.get("LocaleSidKey"),
            "last_modified_date": _format(user.get("LastModifiedDate")),
            "is_app_installed": True,
        }

    def _user(self, identifier: str) -> dict[str, Any] | None:
        if "User" not in self._store.objects:
            return self._logins.user if full_id(identifier) == self._logins.user_id else None
        sql = 'SELECT * FROM main."User" WHERE "Id" = ?'
        statement = self._store.cursor().execute(sql, [full_id(identifier)])
        rows = statement.to_arrow_table().to_pylist()
        return rows[0] if rows else None


def _urls(call: OrgRequest, version: str) -> dict[str, str]:
    """The services that exist here; an org also has SOAP, search and Chatter."""
    data = f"{call.base_url}/services/data/v{version}"
    return {
        "rest": f"{data}/",
        "sobjects": f"{data}/sobjects/",
        "query": f"{data}/query/",
        "custom_domain": call.base_url,
    }


def _address(user: dict[str, Any]) -> dict[str, str]:
    """With OpenID Connect's names, without empty members."""
    names = {
        "street_address": "Street",
        "locality": "City",
        "region": "State",
        "postal_code": "PostalCode",
        "country": "Country",
    }
    return {name: user[field] for name, field in names.items() if user.get(field)}


def _utc_offset(zone: str | None) -> int:
    """In milliseconds, without daylight saving time."""
    if zone is None:
        return 0
    now = datetime.now(ZoneInfo(zone))
    offset = (now.utcoffset() or timedelta()) - (now.dst() or timedelta())
    return round(offset.total_seconds() * 1000)


def _format(moment: Any) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z" if moment else None
