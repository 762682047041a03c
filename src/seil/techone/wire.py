"""HTTP with a time limit that holds for the whole exchange, not for each of its reads."""

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
_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


class Wire:
    """`exchanged` can be called by many threads at once.

    Blocking clients limit each wait on the network: an answer that drips in would have no end. Here
    requests run on an event loop in a thread of its own, where they can be called off at any point;
    by aiohttp, which costs a tenth of the CPU of httpx there (benchmarks/api_cpu.py).
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._session: ClientSession | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="techone", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Exchanges under way are called off."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._closed(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def exchanged(
        self, method: str, url: str, *, headers: dict[str, str], **options: Any
    ) -> httpx.Response:
        """Whatever its status. Raises UnavailableError, TooSlowError, UnexpectedAnswerError."""
        seconds = remaining(self._seconds)
        if not seconds:
            raise self.too_slow()
        if identity := correlation_id():
            headers = {**headers, "X-Correlation-Id": identity}
        begun = time.perf_counter()
        try:
            answer = self._awaited(seconds, method, url, headers=headers, **options)
        except TimeoutError as error:
            raise self.too_slow() from error
        except CancelledError as error:
            raise UnavailableError(SERVICE, "the client was closed") from error
        took = (time.perf_counter() - begun) * 1000
        path = answer.request.url.path
        _log.info("%s %s answered %d in %.0f ms", method, path, answer.status_code, took)
        return answer

    def too_slow(self) -> TooSlowError:
        return TooSlowError(SERVICE, self._seconds)

    def _awaited(self, seconds: float, method: str, url: str, **options: Any) -> httpx.Response:
        if self._loop.is_closed():
            raise RuntimeError("The client is closed")
        exchange = self._exchanged(seconds, method, url, **options)
        future = asyncio.run_coroutine_threadsafe(exchange, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _exchanged(
        self, seconds: float, method: str, url: str, **options: Any
    ) -> httpx.Response:
        import aiohttp

        try:
            async with asyncio.timeout(seconds):
                return await self._read(method, url, **options)
        except TimeoutError:  # One of aiohttp's is a ClientError, too.
            raise
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, httpx.InvalidURL) as error:
            problem = Problem("techone", "base_url or token_url is no address")
            raise ConfigurationError([problem]) from error
        except aiohttp.ClientConnectorError as error:
            raise UnavailableError(SERVICE, "no connection", reached=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(SERVICE, type(error).__name__) from error

    async def _read(self, method: str, url: str, **options: Any) -> httpx.Response:
        plain_request = httpx.Request(method, url)
        if plain_request.url.userinfo:  # It would be credentials beside our own.
            url = str(plain_request.url.copy_with(userinfo=b""))
        proxy = _proxy(plain_request.url.scheme, plain_request.url.host)
        session = self._opened()
        async with session.request(
            method, url, allow_redirects=False, proxy=proxy, **options
        ) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _LONGEST_ANSWER:
                    raise UnexpectedAnswerError(SERVICE, f"it is over {_LONGEST_ANSWER} bytes")
        reply_headers = [
            part for part in answer.headers.items() if part[0].lower() not in _OF_THE_BODY
        ]
        return httpx.Response(
            answer.status, headers=reply_headers, content=bytes(body), request=plain_request
        )

    def _opened(self) -> ClientSession:
        """Made by the first request, on the loop that it belongs to: a Lambda starts the sooner."""
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=httpx.create_ssl_context()),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    async def _closed(self) -> None:
        this = asyncio.current_task()
        under_way = [task for task in asyncio.all_tasks() if task is not this]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._session:
            await self._session.close()


@cache
def _proxy(scheme: str, host: str) -> str | None:
    """Of HTTPS_PROXY and the like; aiohttp's `trust_env` looks for a .netrc at every request."""
    return None if proxy_bypass(host) else getproxies().get(scheme)
