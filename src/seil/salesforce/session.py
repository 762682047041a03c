"""Logging in: three OAuth 2.0 flows, one token request each.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx

from seil.errors import ConfigurationError, LoginError, Problem, UnavailableError
from seil.salesforce.faults import SERVICE, TRANSIENT_STATUS, Answer, code_and_reason
from seil.settings import SalesforceSettings, Secret

logger = logging.getLogger(__name__)

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Salesforce takes an assertion for up to three minutes.
_ASSERTION_SECONDS = 180
_NEEDED = {
    "jwt": ("client_id", "username", "private_key"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "refresh_token"),
}
# What Salesforce says, in part and in lower case, and what helps. The first that fits counts.
_CURES = (
    ("user hasn't approved", "Pre-authorize the user's profile for the connected app"),
    ("audience is invalid", "Set audience in [salesforce]: https://login.salesforce.com or test"),
    ("expired access/refresh token", "The refresh token is spent or revoked; get a new one"),
    ("expired authorization code", "Check this machine's clock: the assertion came too late"),
    ("invalid assertion", "private_key does not belong to the connected app's certificate"),
    ("request not supported on this domain", "Set login_url to your My Domain"),
    ("no client credentials user", "Set a run-as user for the connected app"),
    ("login rate exceeded", "Too many logins of this user; wait an hour"),
    ("ip restricted", "Relax the IP restrictions of the connected app or the profile"),
    ("inactive user", "Activate the integration user"),
    ("authentication failure", "Check the user, and whether it may log in through the API"),
    ("client identifier invalid", "client_id is not known there; a new app takes ten minutes"),
    ("invalid client credentials", "client_secret does not belong to client_id"),
)
_CODE_CURES = {
    "invalid_client_id": "client_id is not known there; a new app takes ten minutes",
    "invalid_client": "client_secret does not belong to client_id",
    "inactive_org": "The org is locked, closed or being moved",
    "inactive_user": "Activate the integration user",
    "invalid_app_access": "Allow the connected app for the integration user",
    "unsupported_grant_type": "Switch this OAuth flow on in the connected app",
}


@dataclass(frozen=True)
class Session:
    """A logged-in session. Its repr shows no token."""

    access_token: str = field(repr=False)
    instance_url: str
    identity_url: str = ""
    scope: str = ""

    @property
    def org_id(self) -> str:
        """Empty where the login did not tell."""
        return self._identity_part(-2)

    @property
    def user_id(self) -> str:
        return self._identity_part(-1)

    def _identity_part(self, position: int) -> str:
        # https://login.salesforce.com/id/<org id>/<user id>
        return ["", "", *urlsplit(self.identity_url).path.split("/")][position]


Admit = Callable[[Session], None]


def admit_any(_session: Session) -> None:
    """Whatever org the login leads to."""


class Sessions:
    """The one session all threads share; `log_in` opens a new one. Trying again is the callers'.

    `admit` sees every session before it is used, and raises for an org that is not the one.
    """

    def __init__(self, log_in: Callable[[], Session], admit: Admit = admit_any) -> None:
        self._log_in = log_in
        self._admit = admit
        self._lock = Lock()
        self._session: Session | None = None

    def current(self) -> Session:
        return self._session or self.renew(None)

    def fresh(self) -> Session:
        with self._lock:
            self._session = self._admitted()
            return self._session

    def renew(self, refused: Session | None) -> Session:
        """A session other than `refused`; many threads that were refused log in once."""
        with self._lock:
            if self._session is None or self._session is refused:
                # Should the login fail, nobody need try the refused one again.
                self._session = None
                self._session = self._admitted()
            return self._session

    def _admitted(self) -> Session:
        session = self._log_in()
        self._admit(session)
        return session


class Login:
    """One org's login; `post` sends a form to a URL, with HTTP Basic where a pair is given."""

    def __init__(
        self,
        settings: SalesforceSettings,
        post: Callable[[str, dict[str, str], tuple[str, str] | None], httpx.Response],
    ) -> None:
        self._settings = settings
        self._post = post
        self._rotated_token = ""

    def __call__(self) -> Session:
        """Raises ConfigurationError, LoginError; UnavailableError is worth another try."""
        _check_settings(self._settings)
        form, basic = self._form()
        url = f"{self._settings.login_url.rstrip('/')}/services/oauth2/token"
        response = self._post(url, form, basic)
        granted = self._granted(response)
        session = self._session(granted)
        self._keep_rotated(granted)
        logger.info("logged in at %s, org at %s", self._settings.login_url, session.instance_url)
        return session

    def _form(self) -> tuple[dict[str, str], tuple[str, str] | None]:
        settings = self._settings
        if settings.auth == "jwt":
            return {"grant_type": _JWT_GRANT, "assertion": self._assertion()}, None
        secret = _revealed(settings.client_secret)
        if settings.auth == "client_credentials":
            return {"grant_type": "client_credentials"}, (settings.client_id, secret)
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "refresh_token": self._rotated_token or _revealed(settings.refresh_token),
        }
        return form | ({"client_secret": secret} if secret else {}), None

    def _assertion(self) -> str:
        import jwt

        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.username,
            "aud": audience(self._settings),
            "exp": int(time.time()) + _ASSERTION_SECONDS,
        }
        key = self._settings.private_key
        try:
            return jwt.encode(claims, _revealed(key), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            place = f"salesforce.private_key ({key.place if key else ''})"
            cure = "an RSA key in PEM, without a passphrase"
            # Not chained: the cause may quote the key.
            raise ConfigurationError([Problem(place, "is not a usable key", cure)]) from None

    def _granted(self, response: httpx.Response) -> dict[str, Any]:
        content = _json(response)
        if response.status_code == 200 and isinstance(content, dict):
            return content
        answer = Answer(response.status_code, response.headers, response.content)
        code, description = code_and_reason(answer)
        if answer.status == 200 or answer.status in TRANSIENT_STATUS or code == "unknown_error":
            raise UnavailableError(
                f"{SERVICE} login",
                description or code or "an empty answer",
                status=answer.status,
                retry_after=answer.retry_after,
            )
        hint = _login_hint(code, description)
        if not code:
            hint = "Check login_url in [salesforce]: nothing takes logins there"
        code = code or f"HTTP {answer.status}"
        raise LoginError(self._settings.login_url, code, description, hint=hint)

    def _session(self, granted: dict[str, Any]) -> Session:
        token, instance = granted.get("access_token"), granted.get("instance_url")
        if not token or not instance:
            lacking = "access_token" if not token else "instance_url"
            raise LoginError(self._settings.login_url, "incomplete", f"no {lacking} in the answer")
        if not _is_safe(instance):
            words = f"instance_url {instance} is not https"
            raise LoginError(self._settings.login_url, "insecure", words)
        return Session(
            access_token=token,
            instance_url=instance.rstrip("/"),
            identity_url=granted.get("id") or "",
            scope=granted.get("scope") or "",
        )

    def _keep_rotated(self, granted: dict[str, Any]) -> None:
        token = granted.get("refresh_token")
        if self._settings.auth != "refresh_token" or not token:
            return
        known = self._rotated_token or _revealed(self._settings.refresh_token)
        if token != known:
            self._rotated_token = token
            place = self._settings.refresh_token.place if self._settings.refresh_token else ""
            logger.warning(
                "the org rotated the refresh token: the one in %s is dead, the new one is kept "
                "until this process ends; switch rotation off, or use auth = jwt",
                place,
            )


def audience(settings: SalesforceSettings) -> str:
    """The assertion's aud: as configured, else that of sandboxes or of everything else."""
    if settings.audience:
        return settings.audience
    host = urlsplit(settings.login_url).hostname or ""
    is_sandbox = host == "test.salesforce.com" or ".sandbox." in host
    return f"https://{'test' if is_sandbox else 'login'}.salesforce.com"


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_safe(url: str) -> bool:
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and is_loopback(url))


def _check_settings(settings: SalesforceSettings) -> None:
    problems = [
        Problem(f"salesforce.{name}", "is missing", f"auth = {settings.auth} needs it")
        for name in _NEEDED[settings.auth]
        if not getattr(settings, name)
    ]
    if not _is_safe(settings.login_url):
        cure = "https://..., or http:// on loopback only"
        problems.append(Problem("salesforce.login_url", "is not an https address", cure))
    elif (urlsplit(settings.login_url).hostname or "").endswith(".lightning.force.com"):
        cure = "use the host that ends in .my.salesforce.com"
        problems.append(Problem("salesforce.login_url", "serves pages, not logins", cure))
    if problems:
        raise ConfigurationError(problems)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _revealed(secret: Secret | None) -> str:
    return secret.reveal() if secret else ""


def _login_hint(code: str, description: str) -> str:
    said = description.lower()
    fitting = (cure for words, cure in _CURES if words in said)
    return next(fitting, _CODE_CURES.get(code, ""))
