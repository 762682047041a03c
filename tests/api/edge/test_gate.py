from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seil.api.edge.exchange import Exchange
from seil.api.edge.gate import Gate
from seil.api.rate import RateLimit
from seil.api.tokens import Expected, Verifier
from seil.sandbox.issuer.issuer import Issuer

# As h11 takes them: any byte but the control characters, read as latin-1.
BYTES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=200)
SCHEMES = st.sampled_from(["Bearer ", "bearer  ", "BEARER\t", "Basic ", "Bearer", ""])
PARTS = st.lists(st.text("aA0-_=.", max_size=20), min_size=1, max_size=6).map(".".join)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    issuer = Issuer(tmp_path_factory.mktemp("issuer"), "http://issuer.test", {})
    verifier = Verifier(Expected("http://issuer.test"), issuer)
    return Gate(verifier, "a/get", "a/post", RateLimit(1))


@settings(max_examples=300, deadline=None)
@given(scheme=SCHEMES, token=BYTES | PARTS)
def test_whatever_is_no_token_is_answered_with_401(gate: Gate, scheme: str, token: str) -> None:
    exchange = Exchange("GET", "/v1/gam/order/1", "id", None)

    response = asyncio.run(gate.refusal(exchange, {"authorization": scheme + token}))

    assert response
    assert (response.status_code, json.loads(bytes(response.body))) == (
        401,
        {"message": "Unauthorized"},
    )
