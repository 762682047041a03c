"""Response bodies: pages from files, compression, and the faults' effects."""

from __future__ import annotations

import codecs
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace

from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.messages import FileRange, OrgReply

_CHUNK = 1 << 20
_FAST = 1


def render(reply: OrgReply, *, pretty: bool) -> bytes | FileRange:
    if isinstance(reply.content, bytes | FileRange):
        return reply.content
    separators = None if pretty else (",", ":")
    indent = 2 if pretty else None
    text = json.dumps(reply.content, ensure_ascii=False, indent=indent, separators=separators)
    return text.encode()


def chunks(content: bytes | FileRange) -> Iterator[bytes]:
    """None of them is empty: an empty one ends a reply. Nor are those of the functions below."""
    if isinstance(content, bytes):
        yield content
        return
    if content.head:
        yield content.head
    with content.path.open("rb", buffering=0) as file:
        at = content.start
        while at < content.end:
            chunk = os.pread(file.fileno(), min(_CHUNK, content.end - at), at)
            if not chunk:
                raise OSError(f"{content.path} ends at {at}, before {content.end}")
            at += len(chunk)
            yield chunk


def with_rows_twice(content: bytes | FileRange) -> Iterator[bytes]:
    yield from chunks(content)
    if isinstance(content, FileRange):
        yield from chunks(replace(content, head=b""))


def compress(pieces: Iterator[bytes]) -> Iterator[bytes]:
    gzip = zlib.compressobj(_FAST, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for piece in pieces:
        if packed := gzip.compress(piece):
            yield packed
    yield gzip.flush()


def spoil(pieces: Iterator[bytes], fault: OrgFault) -> Iterator[bytes]:
    """Applies a fault to a body before compression."""
    if fault.nul_bytes:
        pieces = (piece.replace(b'"', b'\x00"') for piece in pieces)
    if fault.bom:
        pieces = _led_by(codecs.BOM_UTF8, pieces)
    if fault.charset:
        pieces = _recode(pieces, fault.charset)
    return pieces


def slow_down(pieces: Iterator[bytes], fault: OrgFault) -> Iterator[bytes]:
    """Sends the bytes in a fault's small chunks, up to its cut."""
    if fault.cut is not None:
        pieces = _cut(pieces, fault.cut)
    if fault.drip is not None:
        pieces = _in_pieces(pieces, fault.drip)
    return pieces


def content_type(reply: OrgReply, fault: OrgFault | None) -> str:
    if fault is None or fault.charset is None:
        return reply.content_type
    bare = reply.content_type.partition(";")[0]
    return f"{bare}; charset={fault.charset}" if fault.charset else bare


def _led_by(lead: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield lead
    yield from pieces


def _recode(pieces: Iterator[bytes], charset: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text.encode(charset, errors="replace")
    if rest := decoder.decode(b"", final=True):
        yield rest.encode(charset, errors="replace")


def _cut(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        if len(piece) >= size:
            if size:
                yield piece[:size]
            return
        size -= len(piece)
        yield piece


def _in_pieces(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), size):
            yield piece[at : at + size]
