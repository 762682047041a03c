"""Logins: an integration's OAuth 2.0 flows, the SOAP login, and their sessions.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from seil.sandbox.salesforce.errors import OAuthError, session_expired
from seil.sandbox.salesforce.messages import OrgReply, OrgRequest, OrgRoute
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.state import ServiceState

SCOPE = "api refresh_token offline_access"
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
_XML = "text/xml;charset=UTF-8"
_SKEW = 60.0
_CODE_LIFETIME = 900.0
_NO_SOAP_LOGIN_SINCE = 65.0


@dataclass(frozen=True)
class OrgSession:
    """`expires` is in seconds since 1970; None: never."""

    client_id: str
    expires: float | None


class Logins:
    """Token endpoint, SOAP login and revocation, over the sessions kept in `state`."""

    def __init__(
        self, state: ServiceState, options: OrgOptions, *, public_key: Path, user_id: str
    ) -> None:
        self._state = state
        self._options = options
        self._public_key = public_key
        self.org_id = options.org_id
        self.user_id = user_id
        self._grants: dict[str, Callable[[OrgRequest, Mapping[str, str]], dict[str, Any]]] = {
            "client_credentials": self._client_credentials,
            "refresh_token": self._refresh,
            "password": self._password,
            "authorization_code": self._authorization_code,
            _JWT_GRANT: self._jwt,
        }
        if not state.has_tokens("refresh"):
            self._remember_refresh_token(options.credentials.refresh_token)

    @property
    def identity_path(self) -> str:
        """Of the integration user; the login host and the instance are one here."""
        return f"/id/{self.org_id}/{self.user_id}"

    @property
    def lifetime(self) -> float:
        return self._options.token_lifetime

    @property
    def user(self) -> dict[str, str]:
        """The user who logs in, for an org without User records."""
        username = self._options.credentials.username
        return {"Id": self.user_id, "Username": username, "Name": username}

    def routes(self) -> list[OrgRoute]:
        oauth = "/services/oauth2"
        return [
            OrgRoute("GET", f"{oauth}/authorize", self.authorize, open=True),
            OrgRoute("POST", f"{oauth}/token", self.token, open=True),
            OrgRoute("POST", f"{oauth}/revoke", self.revoke, open=True),
            OrgRoute("GET", f"{oauth}/revoke", self.revoke, open=True),
            OrgRoute("POST", "/services/Soap/u/{soap_version}", self.soap, open=True),
        ]

    def require_session(self, headers: Mapping[str, str]) -> None:
        """Raises OrgApiError INVALID_SESSION_ID, as for an expired session."""
        if self.session(headers) is None:
            raise session_expired()

    def end_all_sessions(self) -> None:
        self._state.forget_access_tokens()

    def token(self, call: OrgRequest) -> OrgReply:
        form = dict(parse_qsl(call.text(), keep_blank_values=True)) | dict(call.params)
        grant_type = form.get("grant_type", "")
        if not grant_type:
            raise OAuthError(400, "invalid_request", "grant_type is required")
        if not (grant := self._grants.get(grant_type)):
            raise OAuthError(400, "unsupported_grant_type", "grant type not supported")
        return OrgReply(200, grant(call, form), headers={"Cache-Control": "no-cache, no-store"})

    def authorize(self, call: OrgRequest) -> OrgReply:
        """Grants at once, as if the integration user had logged in and consented in the browser."""
        request = dict(call.params)
        callback = request.get("redirect_uri", "")
        if request.get("client_id") != self._options.credentials.client_id:
            return _error_page("invalid_client_id", "client identifier invalid")
        if urlsplit(callback).hostname not in ("localhost", "127.0.0.1"):
            return _error_page("redirect_uri_mismatch", "redirect_uri must match configuration")
        if request.get("response_type") != "code":
            answer = {"error": "unsupported_response_type", "error_description": "code only"}
        elif request.get("code_challenge_method") != "S256" or not request.get("code_challenge"):
            answer = {"error": "invalid_request", "error_description": "missing code challenge"}
        elif not self._options.user_approved:
            words = "end-user denied authorization"
            answer = {"error": "access_denied", "error_description": words}
        else:
            answer = {"code": self._code(callback, request["code_challenge"])}
        state = {"state": request["state"]} if "state" in request else {}
        return OrgReply(302, b"", headers={"Location": f"{callback}?{urlencode(answer | state)}"})

    def _code(self, callback: str, challenge: str) -> str:
        code = f"aPrx{secrets.token_urlsafe(32)}"
        self._state.remember_token(
            f"{code} {callback} {challenge}",
            kind="code",
            client_id=self._options.credentials.client_id,
            expires=time.time() + _CODE_LIFETIME,
        )
        return code

    def _authorization_code(self, call: OrgRequest, form: Mapping[str, str]) -> dict[str, Any]:
        """A code is valid once, and with its challenge's verifier only (RFC 7636)."""
        client = self.client(call, form, secret_needed="client_secret" in form)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        presented = f"{form.get('code', '')} {form.get('redirect_uri', '')} {challenge}"
        if not self._state.token(presented, kind="code", now=time.time()):
            raise OAuthError(400, "invalid_grant", "invalid code or code verifier")
        self._state.forget_token(presented)
        token = f"5Aep{secrets.token_urlsafe(48)}"
        self._remember_refresh_token(token)
        return {**self._grant(call, client), "refresh_token": token}

    def revoke(self, call: OrgRequest) -> OrgReply:
        form = dict(parse_qsl(call.text())) | dict(call.params)
        if not self._state.forget_token(form.get("token", "")):
            raise OAuthError(400, "unsupported_token_type", "this token type is not supported")
        return OrgReply(200, b"", "")

    def soap(self, call: OrgRequest) -> OrgReply:
        try:
            tree = ET.fromstring(call.text())  # noqa: S314  (the client is on loopback)
        except ET.ParseError as error:
            return _soap_fault("UNKNOWN_EXCEPTION", str(error))
        if (operation := _operation(tree)) == "login":
            return self._soap_login(call, tree)
        if operation != "logout":
            return _soap_fault("UNKNOWN_EXCEPTION", f"The stand-in has no SOAP call {operation}")
        if not self._state.forget_token(_element(tree, "sessionId")):
            return _soap_fault("INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID")
        return OrgReply(200, _soap_envelope("<logoutResponse/>").encode(), _XML)

    def _soap_login(self, call: OrgRequest, tree: ET.Element) -> OrgReply:
        credentials = self._options.credentials
        version = call.args["soap_version"]
        if version.partition(".")[0].isdecimal() and float(version) >= _NO_SOAP_LOGIN_SINCE:
            words = "The SOAP Login operation is not available in the API version specified"
            advice = "Refer to the documentation for supported versions."
            return _soap_fault("INVALID_OPERATION", f"{words} ({version}). {advice}")
        username, password = (_element(tree, name) for name in ("username", "password"))
        if username != credentials.username or not self._password_fits(password):
            return _soap_fault(
                "INVALID_LOGIN",
                "INVALID_LOGIN: Invalid username, password, security token; or user locked out.",
            )
        session = self._open_session(credentials.client_id)
        return OrgReply(200, self._soap_result(call, session).encode(), _XML)

    def _soap_result(self, call: OrgRequest, session: str) -> str:
        version = call.args["soap_version"]
        address = f"{call.base_url}/services/Soap/u/{version}/{self.org_id[:15]}"
        members = {
            "metadataServerUrl": f"{call.base_url}/services/Soap/m/{version}/{self.org_id[:15]}",
            "passwordExpired": "false",
            "sandbox": "true",
            "serverUrl": address,
            "sessionId": session,
            "userId": self.user_id,
        }
        fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())
        user = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self._soap_user())
        return _soap_envelope(
            f"<loginResponse><result>{fields}<userInfo>{user}</userInfo></result></loginResponse>"
        )

    def _soap_user(self) -> list[tuple[str, str]]:
        """All of GetUserInfoResult in its order: clients count its elements."""
        username = self._options.credentials.username
        return [
            ("accessibilityMode", "false"),
            ("chatterExternal", "false"),
            ("currencySymbol", "$"),
            ("orgAttachmentFileSizeLimit", "5242880"),
            ("orgDefaultCurrencyIsoCode", "AUD"),
            ("orgDefaultCurrencyLocale", "en_AU"),
            ("orgDisallowHtmlAttachments", "false"),
            ("orgHasPersonAccounts", "false"),
            ("organizationId", self.org_id),
            ("organizationMultiCurrency", "false"),
            ("organizationName", "Stand-in"),
            ("sessionSecondsValid", str(int(self._options.token_lifetime))),
            ("userEmail", username),
            ("userFullName", username),
            ("userId", self.user_id),
            ("userLanguage", "en_US"),
            ("userLocale", "en_AU"),
            ("userName", username),
            ("userType", "Standard"),
        ]

    def _client_credentials(self, call: OrgRequest, form: Mapping[str, str]) -> dict[str, Any]:
        return self._grant(call, self.client(call, form))

    def _refresh(self, call: OrgRequest, form: Mapping[str, str]) -> dict[str, Any]:
        secret_sent = "client_secret" in form or "Authorization" in call.headers
        client = self.client(call, form, secret_needed=secret_sent)
        presented = form.get("refresh_token", "")
        if not self._state.token(presented, kind="refresh", now=time.time()):
            raise OAuthError(400, "invalid_grant", "expired access/refresh token")
        granted = self._grant(call, client)
        if self._options.rotate_refresh_tokens:
            granted["refresh_token"] = replacement = f"5Aep{secrets.token_urlsafe(48)}"
            self._state.forget_token(presented)
            self._remember_refresh_token(replacement)
        return granted

    def _password(self, call: OrgRequest, form: Mapping[str, str]) -> dict[str, Any]:
        client = self.client(call, form)
        right_user = form.get("username") == self._options.credentials.username
        if not right_user or not self._password_fits(form.get("password", "")):
            raise OAuthError(400, "invalid_grant", "authentication failure")
        return self._grant(call, client)

    def _jwt(self, call: OrgRequest, form: Mapping[str, str]) -> dict[str, Any]:
        import jwt

        assertion = form.get("assertion", "")
        credentials = self._options.credentials
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise OAuthError(400, "invalid_grant", "invalid assertion") from error
        if claims.get("iss") != credentials.client_id:
            raise OAuthError(400, "invalid_client_id", "client identifier invalid")
        self._verify_signature(assertion)
        self._check_claims(call, claims)
        granted = self._grant(call, credentials.client_id)
        del granted["issued_at"], granted["signature"]
        return granted

    def _verify_signature(self, assertion: str) -> None:
        import jwt

        try:
            jwt.decode(
                assertion,
                verifying_key(self._public_key),
                algorithms=["RS256"],
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise OAuthError(400, "invalid_grant", "invalid assertion") from error

    def _check_claims(self, call: OrgRequest, claims: Mapping[str, Any]) -> None:
        """With the real service's messages: it calls an expired assertion an authorization code."""
        self._check_audience(claims.get("aud"), call)
        try:
            expires = float(claims["exp"])
        except (KeyError, TypeError, ValueError) as error:
            raise OAuthError(400, "invalid_grant", "invalid assertion") from error
        if expires + _SKEW < time.time():
            raise OAuthError(400, "invalid_grant", "expired authorization code")
        subject = claims.get("sub") or claims.get("prn")
        if subject != self._options.credentials.username or not self._options.user_approved:
            raise OAuthError(400, "invalid_grant", "user hasn't approved this consumer")

    def _check_audience(self, audience: object, call: OrgRequest) -> None:
        """An External Client App refuses the old form with an error of its own."""
        entries = audience if isinstance(audience, list) else [audience]
        parts = [urlsplit(entry) for entry in entries if isinstance(entry, str)]
        requested = self._options.audience
        if any(part.netloc == urlsplit(call.base_url).netloc for part in parts):
            fits = requested != "login"
        elif any(part.scheme == "https" and part.netloc in _LOGIN_HOSTS for part in parts):
            fits = requested != "my_domain"
            if not fits:
                words = "External client app is not installed in this org"
                raise OAuthError(400, "app_not_found", words)
        else:
            fits = False
        if not fits:
            raise OAuthError(400, "invalid_grant", "audience is invalid")

    def client(
        self, call: OrgRequest, form: Mapping[str, str], *, secret_needed: bool = True
    ) -> str:
        client_id, secret = _basic(call.headers) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        credentials = self._options.credentials
        if client_id != credentials.client_id:
            raise OAuthError(400, "invalid_client_id", "client identifier invalid")
        if secret_needed and not secrets.compare_digest(
            secret.encode(), credentials.client_secret.encode()
        ):
            raise OAuthError(400, "invalid_client", "invalid client credentials")
        return client_id

    def _password_fits(self, password: str) -> bool:
        """With or without the security token appended: loopback is a trusted network."""
        credentials = self._options.credentials
        return password in (credentials.password, credentials.password + credentials.security_token)

    def _grant(self, call: OrgRequest, client_id: str) -> dict[str, Any]:
        issued = str(int(time.time() * 1000))
        identity = f"{call.base_url}{self.identity_path}"
        signed = hashlib.sha256((identity + issued).encode()).digest()
        return {
            "access_token": self._open_session(client_id),
            "signature": base64.b64encode(signed).decode(),
            "scope": SCOPE,
            "instance_url": call.base_url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued,
        }

    def _open_session(self, client_id: str) -> str:
        secret = secrets.token_urlsafe(72).replace("-", ".")
        token = f"{self.org_id[:15]}!{secret}"
        expires = time.time() + self._options.token_lifetime
        self._state.remember_token(token, kind="access", client_id=client_id, expires=expires)
        return token

    def _remember_refresh_token(self, token: str) -> None:
        client_id = self._options.credentials.client_id
        self._state.remember_token(token, kind="refresh", client_id=client_id, expires=None)

    def session(self, headers: Mapping[str, str]) -> OrgSession | None:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "oauth"):
            token = headers.get("X-SFDC-Session", "")
        return self.token_session(token.strip(), kind="access")

    def token_session(self, token: str, *, kind: str) -> OrgSession | None:
        """`kind` is access or refresh."""
        alive = self._state.token(token, kind=kind, now=time.time())
        return OrgSession(*alive) if alive else None


def verifying_key(file: Path) -> Any:
    """The RSA public key of a PEM public key or certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = file.read_bytes()
    if b"BEGIN CERTIFICATE" in pem:
        return x509.load_pem_x509_certificate(pem).public_key()
    return load_pem_public_key(pem)


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError(400, "invalid_client", "invalid client credentials") from error
    return user, password


def _element(tree: ET.Element, name: str) -> str:
    return next((e.text or "" for e in tree.iter() if e.tag.rpartition("}")[2] == name), "")


def _error_page(code: str, words: str) -> OrgReply:
    """Shown instead of a redirect to an unverified address."""
    return OrgReply(
        400, f"error={code}&error_description={words}".encode(), "text/html;charset=UTF-8"
    )


def _operation(tree: ET.Element) -> str:
    """The SOAP body's operation."""
    body = next((child for child in tree if child.tag.endswith("}Body")), ())
    return next((child.tag.rpartition("}")[2] for child in body), "")


def _soap_envelope(answer: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
        ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns="urn:partner.soap.sforce.com"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{answer}</soapenv:Body></soapenv:Envelope>"
    )


def _soap_fault(code: str, message: str) -> OrgReply:
    text = escape(message)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope'
        ' xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:sf="urn:fault.partner.soap.sforce.com"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>sf:{code}</faultcode><faultstring>{text}</faultstring><detail>"
        f'<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{text}</sf:exceptionMessage></sf:LoginFault></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return OrgReply(500, body.encode(), _XML)
