"""HTTP with a timeout for the whole exchange instead of for each read."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import CancelledError
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

import httpx

from seil.deadline import remaining
from seil.errors import (
    ConfigurationError,
    Problem,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.observe.correlation import correlation_id

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["SERVICE", "Wire"]

_log = logging.getLogger(__name__)

SERVICE = "TechOne"
_LONGEST_ANSWER = 1 << 20
_BODY_HEADERS = ("content-encoding", "content-length", "transfer-encoding")


class Wire:
    """A thread-safe HTTP client.

    Blocking clients limit each read: an answer that drips in byte by byte never times out. Here
    requests run on an event loop in a thread of its own, where they can be cancelled at any point;
    with aiohttp, which takes a tenth of httpx's CPU there (benchmarks/api_cpu.py).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._session: ClientSession | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="techone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cancels exchanges under way."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(
        self, method: str, url: str, *, headers: dict[str, str], **options: Any
    ) -> httpx.Response:
        """An answer of any status. Raises UnavailableError, TooSlowError, UnexpectedAnswerError."""
        seconds = remaining(self._seconds)
        if not seconds:
            raise self.too_slow()
        if identity := correlation_id():
            headers = {**headers, "X-Correlation-Id": identity}
        started = time.perf_counter()
        try:
            answer = self._run(seconds, method, url, headers=headers, **options)
        except TimeoutError as error:
            raise self.too_slow() from error
        except CancelledError as error:
            raise UnavailableError(SERVICE, "the client was closed") from error
        milliseconds = (time.perf_counter() - started) * 1000
        path = answer.request.url.path
        _log.info("%s %s answered %d in %.0f ms", method, path, answer.status_code, milliseconds)
        return answer

    def too_slow(self) -> TooSlowError:
        return TooSlowError(SERVICE, self._seconds)

    def _run(self, seconds: float, method: str, url: str, **options: Any) -> httpx.Response:
        if self._loop.is_closed():
            raise RuntimeError("The client is closed")
        exchange = self._exchange(seconds, method, url, **options)
        future = asyncio.run_coroutine_threadsafe(exchange, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _exchange(
        self, seconds: float, method: str, url: str, **options: Any
    ) -> httpx.Response:
        import aiohttp

        try:
            async with asyncio.timeout(seconds):
                return await self._read(method, url, **options)
        except TimeoutError:  # One of aiohttp's is a ClientError, too.
            raise
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, httpx.InvalidURL) as error:
            problem = Problem("techone", "base_url or token_url is not a URL")
            raise ConfigurationError([problem]) from error
        except aiohttp.ClientConnectorError as error:
            raise UnavailableError(SERVICE, "no connection", reached=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(SERVICE, type(error).__name__) from error

    async def _read(self, method: str, url: str, **options: Any) -> httpx.Response:
        plain_request = httpx.Request(method, url)
        if plain_request.url.userinfo:  # aiohttp would send it as credentials instead of the token.
            url = str(plain_request.url.copy_with(userinfo=b""))
        proxy = _proxy(plain_request.url.scheme, plain_request.url.host)
        session = self._open_session()
        async with session.request(
            method, url, allow_redirects=False, proxy=proxy, **options
        ) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LONGEST_ANSWER:
                    raise UnexpectedAnswerError(SERVICE, f"it is over {_LONGEST_ANSWER} bytes")
        reply_headers = [
            part for part in answer.headers.items() if part[0].lower() not in _BODY_HEADERS
        ]
        return httpx.Response(
            answer.status, headers=reply_headers, content=bytes(body), request=plain_request
        )

    def _open_session(self) -> ClientSession:
        """Built by the first request, on its loop: a Lambda starts sooner without it."""
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=httpx.create_ssl_context()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    async def _cancel_all(self) -> None:
        exchanges = asyncio.all_tasks() - {asyncio.current_task()}
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        if self._session:
            await self._session.close()


@cache
def _proxy(scheme: str, host: str) -> str | None:
    """From HTTPS_PROXY and the like; aiohttp's `trust_env` would read .netrc at every request."""
    return None if proxy_bypass(host) else getproxies().get(scheme)
