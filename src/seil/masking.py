"""Masks what looks like a credential, in texts and in JSON documents."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["looks_secret", "mask", "mask_values"]

_MASKED = "****"
_REFERENCES = ("env:", "file:", _MASKED)
_NAMES = (
    "access_token|refresh_token|id_token|client_secret|consumer_secret|assertion|password|passwd"
    "|private_key|session_?id|secret|api_?key"
)
_QUOTES = r"[\\'\"]*"
_VALUE = _QUOTES + r"[^\s\\'\"&,;})\]]+"
# The last line of defence: the code that holds a secret does not log it in the first place.
_SECRETS = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)", re.DOTALL
    ),
    re.compile(r"(?i:(?<=\bBearer )|(?<=\bBasic ))[\w.~+/!-]{6,}=*"),
    re.compile(r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"),
    # A Salesforce session id: the org's id, an exclamation mark, the token.
    re.compile(r"\b00D\w{12,15}!(?:[\w.]|%2E)+"),
    re.compile(rf"(?i:<(?P<tag>(?:\w+:)?(?:{_NAMES}))>)[^<]+"),
    re.compile(rf"(?i:\b(?:{_NAMES})\b{_QUOTES}\s*=\s*)(?P<value>{_VALUE})"),
    re.compile(rf"(?i:(?<=['\"])(?:{_NAMES})\b{_QUOTES}\s*:\s*)(?P<value>{_VALUE})"),
    # Without quotes a colon can be prose ("private_key: is missing"): no word has digits in it.
    re.compile(rf"(?i:\b(?:{_NAMES}):\s*)(?P<value>(?=\S*\d|\S{{16}}){_VALUE})"),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)
_SECRET_NAME = re.compile(rf"(?i:{_NAMES})")
# Each pattern above needs one of these: most lines have none, and nine searches less to pay for.
_SIGNS = (
    *("-----begin", "bearer", "basic", "eyj", "00d", "token", "secret", "assertion", "passw"),
    *("private_key", "session", "api_key", "apikey", "://"),
)


def mask(text: str) -> str:
    """`text` with everything that looks like a credential replaced by ****."""
    return _masked(text) if looks_secret(text) else text


def looks_secret(text: str) -> bool:
    lower = text.lower()
    return any(map(lower.__contains__, _SIGNS))


def _masked(text: str) -> str:
    for secret in _SECRETS:
        text = secret.sub(_without_secret, text)
    return text


def _without_secret(match: re.Match[str]) -> str:
    found = match.groupdict()
    if tag := found.get("tag"):
        return f"<{tag}>{_MASKED}"
    if value := found.get("value"):
        quote = re.match(r"[\\'\"]*", value)
        reference = value.lstrip("\\'\"").startswith(_REFERENCES)
        kept = value if reference else (quote[0] if quote else "") + _MASKED
        return match[0].removesuffix(value) + kept
    return _MASKED


def mask_values(value: Any) -> Any:
    """Masks a JSON document text by text: a mask over its text could remove a quote."""
    if isinstance(value, str):
        return _masked(value)
    if isinstance(value, list):
        return [mask_values(held) for held in value]
    if isinstance(value, dict):
        return {_masked(name): _masked_under(name, held) for name, held in value.items()}
    return value


def _masked_under(name: str, value: Any) -> Any:
    if not _SECRET_NAME.fullmatch(name) or value is None:
        return mask_values(value)
    reference = isinstance(value, str) and value.startswith(_REFERENCES)
    return value if reference else _MASKED
