"""The routes of the issuer that `seil serve` comes with."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from seil.api.edge.exchange import plain
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


def issuing_router(issuer: Issuer) -> APIRouter:
    router = APIRouter(tags=["tokens"])

    @router.post(
        "/oauth2/token",
        response_model=Token,
        summary="An access token for client credentials",
        responses={
            400: {"model": TokenError, "description": "The request is not right"},
            401: {"model": TokenError, "description": "Unknown client or wrong secret"},
        },
        openapi_extra={"requestBody": _FORM},
    )
    async def token(request: Request) -> Response:
        try:
            found = issuer.answer(await request.body(), request.headers.get("authorization", ""))
        except TokenRequestError as error:
            basic = {"WWW-Authenticate": "Basic"} if error.status == 401 else {}
            return plain({"error": error.code}, status=error.status, headers=basic)
        return plain(found, status=200)

    @router.get("/.well-known/jwks.json", summary="The keys that tokens are signed with")
    async def jwks() -> Response:
        return plain(issuer.jwks(), status=200)

    @router.get("/.well-known/openid-configuration", summary="Where what is")
    async def discovery() -> Response:
        return plain(issuer.discovery(), status=200)

    return router
