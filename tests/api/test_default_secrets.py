"""The secrets that everybody knows are refused where others could use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seil.api.default_secrets import check_secrets
from seil.errors import ConfigurationError
from seil.secret import Secret
from seil.settings import AdManagerSettings, ApiSettings, Settings, TechOneSettings

OWN = Secret("env:OWN")
API, TECHONE = "api.client_secret", "techone.client_secret"
KEY = "admanager.service_account_key"


def refused(settings: Settings, host: str = "127.0.0.1") -> list[str]:
    try:
        check_secrets(settings, host)
    except ConfigurationError as error:
        return [problem.place for problem in error.problems]
    return []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_defaults_are_fine_on_ones_own_machine(host: str) -> None:
    assert refused(Settings(), host) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "api.example.com", ""])
def test_issuers_default_is_refused_where_others_reach_it(host: str) -> None:
    assert refused(Settings(), host) == [API]
    assert refused(Settings(api=ApiSettings(client_secret=OWN)), host) == []
    assert refused(Settings(api=ApiSettings(issuer="https://issuer.test")), host) == []


def test_every_default_is_named_at_once_outside_the_local_profile() -> None:
    assert refused(Settings(profile="aws")) == [API, TECHONE, KEY]


def test_own_secrets_are_fine_everywhere() -> None:
    settings = Settings(
        profile="aws",
        api=ApiSettings(client_secret=OWN),
        techone=TechOneSettings(client_secret=OWN),
        admanager=AdManagerSettings(service_account_key=OWN),
    )
    assert refused(settings, "0.0.0.0") == []


@pytest.mark.parametrize("scheme", ["env", "file"])
def test_issuers_default_is_one_wherever_it_is_kept(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    default = ApiSettings().client_secret.reveal()
    monkeypatch.setenv("COPIED", default)
    (tmp_path / "copied").write_text(f"{default}\n")
    place = {"env": "env:COPIED", "file": f"file:{tmp_path / 'copied'}"}[scheme]
    settings = Settings(api=ApiSettings(client_secret=Secret(place)))
    assert refused(settings, "0.0.0.0") == [API]
    assert refused(settings) == []


def test_secret_that_is_not_there_is_no_default() -> None:
    settings = Settings(api=ApiSettings(client_secret=Secret("env:NOWHERE_AT_ALL")))
    assert refused(settings, "0.0.0.0") == []
