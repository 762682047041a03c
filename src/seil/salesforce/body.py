"""The bytes of a result page: decompressed, in UTF-8, without byte order mark and NULs."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator

import httpx

from seil.errors import UnavailableError
from seil.salesforce.faults import SERVICE

# gzip can expand a chunk a thousandfold.
_INFLATED_BYTES = 1 << 20
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)


def clean_body(response: httpx.Response) -> Iterator[bytes]:
    """Streams the body, decompressed and in UTF-8, without byte order mark and NULs.

    Raises UnavailableError if it is truncated or damaged.
    """
    chunks = raw_body(response)
    encoding = _encoding(response.headers.get("Content-Type", ""))
    if encoding != "utf-8":
        chunks = _to_utf8(chunks, encoding)
    return (_strip_nul(chunk) for chunk in _strip_bom(chunks) if chunk)


def is_delimited(response: httpx.Response) -> bool:
    """Whether HTTP marks the end of the body, so that truncation is detected (RFC 9112, 6.3)."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def damaged_page_error(reason: str) -> UnavailableError:
    return UnavailableError(SERVICE, f"the result page is damaged: {reason}")


def raw_body(response: httpx.Response) -> Iterator[bytes]:
    """Streams the body as the org stores it, decompressed.

    Raises UnavailableError if it is truncated or damaged.
    """
    zipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
    try:
        # httpx does not detect a truncated gzip stream.
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
    """The declared character set; UTF-8 where none is declared."""
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


def _strip_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Handles a byte order mark split over several chunks."""
    head = b""
    remaining = iter(chunks)
    for chunk in remaining:
        head += chunk
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from remaining


def _strip_nul(chunk: bytes) -> bytes:
    return chunk.replace(b"\0", b"") if b"\0" in chunk else chunk
