"""The routes of the issuer that `seil serve` comes with."""

from __future__ import annotations

from math import ceil

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from seil.api.edge.exchange import plain
from seil.api.edge.refusals import RETRY_AFTER, operation_id
from seil.api.issuer import Issuer, TokenRequestError

__all__ = ["issuing_router"]


class Token(BaseModel):
    """RFC 6749, section 5.1."""

    access_token: str = Field(examples=["eyJraWQiOi..."])
    expires_in: int = Field(examples=[3600])
    token_type: str = Field(examples=["Bearer"])


class TokenError(BaseModel):
    """RFC 6749, section 5.2."""

    error: str = Field(examples=["invalid_client"])


class Key(BaseModel):
    """RFC 7517: the public half of a key."""

    kty: str = Field(examples=["RSA"])
    use: str = Field(examples=["sig"])
    alg: str = Field(examples=["RS256"])
    kid: str = Field(examples=["b1f5c0"])
    n: str = Field(examples=["0vx7agoebGcQSuuPiLJXZptN9nnd..."])
    e: str = Field(examples=["AQAB"])


class Keys(BaseModel):
    """RFC 7517, section 5."""

    keys: list[Key] = Field(description="Those that tokens may be signed with.")


class Discovery(BaseModel):
    """RFC 8414, section 2."""

    issuer: str = Field(examples=["http://127.0.0.1:8730"])
    token_endpoint: str = Field(examples=["http://127.0.0.1:8730/oauth2/token"])
    jwks_uri: str = Field(examples=["http://127.0.0.1:8730/.well-known/jwks.json"])
    grant_types_supported: list[str] = Field(examples=[["client_credentials"]])
    token_endpoint_auth_methods_supported: list[str] = Field(examples=[["client_secret_basic"]])


_FORM = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                    "scope": {"type": "string"},
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string", "format": "password"},
                },
            }
        }
    },
}


def _refusal(error: TokenRequestError) -> Response:
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Basic"
    if error.retry_after is not None:
        headers["Retry-After"] = str(ceil(error.retry_after))
    return plain({"error": error.code}, status=error.status, headers=headers)


def issuing_router(issuer: Issuer) -> APIRouter:
    router = APIRouter(tags=["tokens"], generate_unique_id_function=operation_id)

    @router.post(
        "/oauth2/token",
        response_model=Token,
        summary="An access token for client credentials",
        responses={
            400: {"model": TokenError, "description": "The request is not right"},
            401: {"model": TokenError, "description": "Unknown client or wrong secret"},
            413: {"model": TokenError, "description": "The form is longer than 16 kB"},
            429: {
                "model": TokenError,
                "description": "Too many requests, or too many with a wrong secret",
                "headers": RETRY_AFTER,
            },
        },
        openapi_extra={"requestBody": _FORM},
    )
    async def token(request: Request) -> Response:
        authorization = request.headers.get("authorization", "")
        address = request.client.host if request.client else ""
        try:
            answer = issuer.answer(await request.body(), authorization, address=address)
        except TokenRequestError as error:
            return _refusal(error)
        return plain(answer, status=200)

    @router.get(
        "/.well-known/jwks.json",
        response_model=Keys,
        summary="The keys that tokens are signed with",
    )
    async def jwks() -> Response:
        return plain(issuer.jwks(), status=200)

    @router.get(
        "/.well-known/openid-configuration", response_model=Discovery, summary="Where what is"
    )
    async def discovery() -> Response:
        return plain(issuer.discovery(), status=200)

    return router
