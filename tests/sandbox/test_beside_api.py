"""The API in one process, with and without the stand-in issuer beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.deployments import served
from tests.limits import HANGS

from seil.api.local import build_local
from seil.errors import ConfigurationError
from seil.settings import ApiSettings, Settings


def document(tmp_path: Path, **api: Any) -> dict[str, Any]:
    settings = Settings(api=ApiSettings(state=tmp_path, **api))
    with served(settings) as url:
        answer: dict[str, Any] = httpx.get(f"{url}/openapi.json", timeout=HANGS).json()
    return answer


def test_api_without_an_issuer_names_the_setting_and_the_way_out() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_local(Settings())

    (problem,) = caught.value.problems
    assert problem.place == "api.issuer"
    assert "`seil serve --sandbox`" in str(problem)


def test_the_stand_in_issuer_is_served_beside_the_api(tmp_path: Path) -> None:
    openapi = document(tmp_path)

    assert {"/oauth2/token", "/.well-known/jwks.json"} <= set(openapi["paths"])
    flow = openapi["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "/oauth2/token"
    assert list((tmp_path / "sandbox" / "issuer").glob("signing-*.pem"))


def test_an_issuer_of_the_settings_comes_instead_of_the_stand_in(tmp_path: Path) -> None:
    openapi = document(tmp_path, issuer="https://issuer.test")

    assert "/oauth2/token" not in openapi["paths"]
    assert not (tmp_path / "sandbox").exists()
