"""The issuer's routes: token endpoint, JWKS and metadata."""

from __future__ import annotations

from math import ceil

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from seil.api.edge.exchange import json_response
from seil.api.edge.refusals import RETRY_AFTER, failures, operation_id
from seil.sandbox.issuer.issuer import Issuer, TokenRequestError

__all__ = ["issuer_router"]


class IssuedToken(BaseModel):
    """RFC 6749, section 5.1."""

    model_config = ConfigDict(title="Token")

    access_token: str = Field(
        description="For the header Authorization, after Bearer.", examples=["eyJraWQiOi..."]
    )
    expires_in: int = Field(description="Seconds that it is valid for.", examples=[3600])
    token_type: str = Field(description="How it is sent.", examples=["Bearer"])


class TokenError(BaseModel):
    """RFC 6749, section 5.2."""

    error: str = Field(description="What is wrong, in one word.", examples=["invalid_client"])


class PublishedKey(BaseModel):
    """RFC 7517: the public half of a key."""

    model_config = ConfigDict(title="Key")

    kty: str = Field(description="The kind of key.", examples=["RSA"])
    use: str = Field(description="What it is for: signatures.", examples=["sig"])
    alg: str = Field(description="The algorithm of the signatures.", examples=["RS256"])
    kid: str = Field(description="Its id, as tokens name it.", examples=["b1f5c0"])
    n: str = Field(
        description="The modulus, in base64url.", examples=["0vx7agoebGcQSuuPiLJXZptN9nnd..."]
    )
    e: str = Field(description="The exponent, in base64url.", examples=["AQAB"])


class Keys(BaseModel):
    """RFC 7517, section 5."""

    keys: list[PublishedKey] = Field(description="Those that tokens may be signed with.")


class Discovery(BaseModel):
    """RFC 8414, section 2."""

    issuer: str = Field(
        description="iss of the tokens.",
        examples=["http://127.0.0.1:8730"],
    )
    token_endpoint: str = Field(
        description="The token endpoint.", examples=["http://127.0.0.1:8730/oauth2/token"]
    )
    jwks_uri: str = Field(
        description="The JWKS's address.",
        examples=["http://127.0.0.1:8730/.well-known/jwks.json"],
    )
    grant_types_supported: list[str] = Field(
        description="The grants on offer.", examples=[["client_credentials"]]
    )
    token_endpoint_auth_methods_supported: list[str] = Field(
        description="How a client authenticates.", examples=[["client_secret_basic"]]
    )


_FIELDS = {
    "grant_type": {
        "type": "string",
        "enum": ["client_credentials"],
        "description": "The only grant on offer.",
    },
    "scope": {"type": "string", "description": "Scopes with spaces between; default: all."},
    "client_id": {"type": "string", "description": "The client, where it is not in the header."},
    "client_secret": {
        "type": "string",
        "format": "password",
        "description": "Its secret, where it is not in the header.",
    },
}
# The framework would have to read the form itself to describe it.
_FORM = {
    "description": "RFC 6749, section 4.4.2. The credentials may come as Basic instead.",
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object", "required": ["grant_type"], "properties": _FIELDS}
        }
    },
}


def _refusal(error: TokenRequestError) -> Response:
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Basic"
    if error.retry_after is not None:
        headers["Retry-After"] = str(ceil(error.retry_after))
    return json_response({"error": error.code}, status=error.status, headers=headers)


def issuer_router(issuer: Issuer) -> APIRouter:
    router = APIRouter(
        tags=["tokens"],
        responses=failures(408, 413, 500),
        generate_unique_id_function=operation_id,
    )

    @router.post(
        "/oauth2/token",
        response_model=IssuedToken,
        summary="An access token for client credentials",
        responses={
            400: {"model": TokenError, "description": "The request is not right"},
            401: {"model": TokenError, "description": "Unknown client or wrong secret"},
            429: {
                "model": TokenError,
                "description": "Too many requests, or too many with a wrong secret",
                "headers": RETRY_AFTER,
            },
        },
        openapi_extra={"requestBody": _FORM},
    )
    async def token(request: Request) -> Response:
        """Issues an access token for a client's id and secret. It is valid for an hour unless
        the settings say otherwise: use it until then, since requests are limited.
        """
        body = await request.body()
        authorization = request.headers.get("authorization", "")
        address = request.client.host if request.client else ""
        try:
            granted = issuer.grant(body, authorization, address=address)
        except TokenRequestError as error:
            return _refusal(error)
        return json_response(granted, status=200)

    @router.get(
        "/.well-known/jwks.json",
        response_model=Keys,
        summary="The keys that tokens are signed with",
    )
    async def jwks() -> Response:
        """Lists the public keys: the one that signs now, and earlier ones."""
        return json_response(issuer.jwks(), status=200)

    @router.get(
        "/.well-known/openid-configuration",
        response_model=Discovery,
        summary="The issuer's metadata",
    )
    async def discovery() -> Response:
        """Names the issuer's addresses (RFC 8414)."""
        return json_response(issuer.discovery(), status=200)

    return router
