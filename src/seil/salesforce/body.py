"""The bytes of a result page: inflated, in UTF-8, without what Salesforce never means."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator

import httpx

from seil.errors import UnavailableError
from seil.salesforce.faults import SERVICE

# A thousand times as much can come out of a piece as went in.
_INFLATED_BYTES = 1 << 20
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


def clean_body(response: httpx.Response) -> Iterator[bytes]:
    """The body as it arrives: inflated, recoded to UTF-8, without byte order mark and NULs.

    Raises UnavailableError when it breaks off or is damaged.
    """
    chunks = _receive(response)
    encoding = _encoding(response.headers.get("Content-Type", ""))
    if encoding != "utf-8":
        chunks = _to_utf8(chunks, encoding)
    return (_without_nul(chunk) for chunk in _without_mark(chunks) if chunk)


def is_delimited(response: httpx.Response) -> bool:
    """HTTP itself tells the end of the body, so that a lost tail is noticed (RFC 9112, 6.3)."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def damaged_page_error(reason: str) -> UnavailableError:
    return UnavailableError(SERVICE, f"the result page is damaged: {reason}")


def _receive(response: httpx.Response) -> Iterator[bytes]:
    zipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
    try:
        # Our own inflating: httpx does not notice a stream that lacks its end.
        yield from _inflate(response.iter_raw()) if zipped else response.iter_bytes()
    except httpx.TransportError as error:
        reason = f"the result page broke off: {type(error).__name__}: {error}"
        raise UnavailableError(SERVICE, reason) from error
    except (zlib.error, httpx.DecodingError) as error:
        raise damaged_page_error("not gzip") from error


def _inflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        data = chunk
        while data:
            if inflater.eof:
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield inflater.decompress(data, _INFLATED_BYTES)
            data = inflater.unconsumed_tail or inflater.unused_data
    if not inflater.eof:
        raise damaged_page_error("the gzip stream breaks off")


def _encoding(content_type: str) -> str:
    """The declared character set. Salesforce writes UTF-8, also where it declares none."""
    match = _CHARSET.search(content_type)
    if not match:
        return "utf-8"
    try:
        "".encode(match[1])
        return codecs.lookup(match[1]).name
    except LookupError as error:
        raise damaged_page_error(f"unknown character set {match[1]}") from error


def _to_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise damaged_page_error(f"not {encoding}") from error


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Drops a byte order mark, which may be spread over the first chunks."""
    head = b""
    rest = iter(chunks)
    for chunk in rest:
        head += chunk
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from rest


def _without_nul(chunk: bytes) -> bytes:
    return chunk.replace(b"\0", b"") if b"\0" in chunk else chunk
