"""Logs in with one of three OAuth 2.0 flows, one token request each.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from seil.errors import ConfigurationError, LoginError, Problem, UnavailableError
from seil.salesforce.refresh_token import RefreshToken
from seil.salesforce.token_endpoint import (
    APP_NOT_FOUND,
    PostForm,
    TokenEndpoint,
    is_loopback,
    is_safe,
)
from seil.secret import Secret
from seil.settings import SalesforceSettings

logger = logging.getLogger(__name__)

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Salesforce accepts an assertion for up to three minutes.
_ASSERTION_SECONDS = 180
_LOGIN_HOSTS = ("login.salesforce.com", "test.salesforce.com")
_REQUIRED = {
    "jwt": ("client_id", "username", "private_key"),
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "refresh_token"),
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
        """Empty where the login's answer lacks it."""
        return self._identity_part(-2)

    @property
    def user_id(self) -> str:
        return self._identity_part(-1)

    def _identity_part(self, position: int) -> str:
        # https://login.salesforce.com/id/<org id>/<user id>
        return ["", "", *urlsplit(self.identity_url).path.split("/")][position]


Admit = Callable[[Session], None]


def admit_any(_session: Session) -> None:
    """Accepts any org."""


class Sessions:
    """The session that all threads share; `log_in` opens a new one. Callers retry.

    `admit` is called with each new session, and raises to refuse an org.
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
            self._session = self._admit_new()
            return self._session

    def renew(self, refused: Session | None) -> Session:
        """A session other than `refused`; concurrent callers log in once."""
        with self._lock:
            if self._session is None or self._session is refused:
                # If the login fails, nobody uses the refused session again.
                self._session = None
                self._session = self._admit_new()
            return self._session

    def _admit_new(self) -> Session:
        session = self._log_in()
        self._admit(session)
        return session


class Login:
    """One org's login."""

    def __init__(self, settings: SalesforceSettings, post: PostForm) -> None:
        self._settings = settings
        self._endpoint = TokenEndpoint(settings.login_url, post)
        self._audiences = audiences(settings)
        self._refresh_token: RefreshToken | None = None
        self._is_answer_lost = False

    def __call__(self) -> Session:
        """Raises ConfigurationError, LoginError, and UnavailableError, which is worth a retry."""
        check_settings(self._settings, _REQUIRED[self._settings.auth])
        session = session_of(self._settings.login_url, self._grant())
        logger.info("logged in at %s, org at %s", self._settings.login_url, session.instance_url)
        return session

    def _grant(self) -> dict[str, Any]:
        settings = self._settings
        if settings.auth == "jwt":
            return self._by_assertion()
        if settings.auth == "refresh_token":
            return self._by_refresh_token()
        pair = (settings.client_id, client_secret(settings))
        return self._endpoint.grant({"grant_type": "client_credentials"}, pair)

    def _by_assertion(self) -> dict[str, Any]:
        """Tries the second audience if the org refuses the first."""
        audience, *alternatives = self._audiences
        try:
            return self._grant_for(audience)
        except LoginError as error:
            if not alternatives or not _is_wrong_audience(error):
                raise
            return self._grant_for_other(alternatives[0], error)

    def _grant_for_other(self, audience: str, refusal: LoginError) -> dict[str, Any]:
        refused = self._audiences[0]
        try:
            grant = self._grant_for(audience)
        except LoginError as error:
            reason = f"{refusal.description} (aud {refused}; {audience}: {error.code})"
            raise LoginError(refusal.login_url, refusal.code, reason, hint=refusal.hint) from error
        self._audiences = (audience,)
        logger.warning(
            "the org accepts aud %s, not %s (%s): set audience in [salesforce] to it",
            audience,
            refused,
            refusal.code,
        )
        return grant

    def _grant_for(self, audience: str) -> dict[str, Any]:
        form = {"grant_type": _JWT_GRANT, "assertion": self._assertion(audience)}
        return self._endpoint.grant(form)

    def _assertion(self, audience: str) -> str:
        import jwt

        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.username,
            "aud": audience,
            "exp": int(time.time()) + _ASSERTION_SECONDS,
        }
        key = self._settings.private_key
        try:
            return jwt.encode(claims, _reveal(key), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            setting = f"salesforce.private_key ({key.location if key else ''})"
            cure = "an RSA key in PEM, without a passphrase"
            # Not chained: the cause may quote the key.
            raise ConfigurationError([Problem(setting, "is not a usable key", cure)]) from None

    def _by_refresh_token(self) -> dict[str, Any]:
        """Locked across processes, since each answer may rotate the token."""
        settings = self._settings
        token = self._refresh_token = self._refresh_token or RefreshToken(settings)
        with token.lock():
            form = {
                "grant_type": "refresh_token",
                "client_id": settings.client_id,
                "refresh_token": token.current(),
            }
            secret = client_secret(settings)
            grant = self._refresh(form | ({"client_secret": secret} if secret else {}))
            if replacement := grant.get("refresh_token"):
                token.store(str(replacement))
        return grant

    def _refresh(self, form: dict[str, str]) -> dict[str, Any]:
        try:
            return self._endpoint.grant(form)
        except UnavailableError as error:
            self._is_answer_lost |= error.reached
            raise
        except LoginError as error:
            if self._is_answer_lost and error.code == "invalid_grant":
                hint = "A rotated token was lost with the previous answer: run `seil login`"
                raise LoginError(
                    error.login_url, error.code, error.description, hint=hint
                ) from error
            raise


def audiences(settings: SalesforceSettings) -> tuple[str, ...]:
    """The assertion's aud: as configured, else login_url's origin.

    For a My Domain the former general login host comes second, as GovCloud required it.
    """
    if settings.audience:
        return (settings.audience,)
    parts = urlsplit(settings.login_url)
    host = parts.hostname or ""
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    if host in _LOGIN_HOSTS:
        return (origin,)
    kind = "test" if ".sandbox." in host else "login"
    return origin, f"https://{kind}.salesforce.com"


def client_secret(settings: SalesforceSettings) -> str:
    """Empty for a public client: the stand-in's default secret is never sent to an org."""
    default = SalesforceSettings.model_fields["client_secret"].default
    if settings.client_secret == default and not is_loopback(settings.login_url):
        return ""
    return _reveal(settings.client_secret)


def session_of(login_url: str, grant: dict[str, Any]) -> Session:
    """Raises LoginError for an incomplete or insecure grant."""
    token, instance = grant.get("access_token"), grant.get("instance_url")
    if not token or not instance:
        missing = "access_token" if not token else "instance_url"
        raise LoginError(login_url, "incomplete", f"no {missing} in the answer")
    if not is_safe(instance):
        raise LoginError(login_url, "insecure", f"instance_url {instance} is not https")
    return Session(
        access_token=token,
        instance_url=instance.rstrip("/"),
        identity_url=grant.get("id") or "",
        scope=grant.get("scope") or "",
    )


def check_settings(settings: SalesforceSettings, required: tuple[str, ...]) -> None:
    problems = [
        Problem(f"salesforce.{name}", "is missing", f"auth = {settings.auth} needs it")
        for name in required
        if not getattr(settings, name)
    ]
    if not is_safe(settings.login_url):
        cure = "https://..., or http:// on loopback only"
        problems.append(Problem("salesforce.login_url", "is not an https address", cure))
    elif (urlsplit(settings.login_url).hostname or "").endswith(".lightning.force.com"):
        cure = "use the host that ends in .my.salesforce.com"
        problems.append(Problem("salesforce.login_url", "serves web pages, not logins", cure))
    if problems:
        raise ConfigurationError(problems)


def _is_wrong_audience(error: LoginError) -> bool:
    return error.code == APP_NOT_FOUND or "audience is invalid" in error.description.lower()


def _reveal(secret: Secret | None) -> str:
    return secret.reveal() if secret else ""
