"""Finds a request's route before the framework does."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import FastAPI
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

__all__ = ["methods_of", "path_of"]


def path_of(app: FastAPI, scope: Scope) -> str:
    """The route's template, whatever the method; empty where there is none."""
    return next((getattr(route, "path", "") for route in _matching(app, scope)), "")


def methods_of(app: FastAPI, scope: Scope) -> set[str]:
    """All methods of the path: the framework stops at its first route."""
    methods: set[str] = set()
    for route in _matching(app, scope):
        if isinstance(route, Route):
            methods |= route.methods or set()
    if not methods:  # A mounted file of the docs page.
        methods = {"GET"}
    return methods | {"HEAD"} if "GET" in methods else methods


def _matching(app: FastAPI, scope: Scope) -> Iterator[BaseRoute]:
    return (route for route in app.routes if route.matches(scope)[0] is not Match.NONE)
