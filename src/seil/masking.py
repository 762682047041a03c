"""Masks credentials in texts and JSON documents."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["looks_secret", "mask", "mask_values"]

_MASK = "****"
_REFERENCES = ("env:", "file:", _MASK)
_NAMES = (
    "access_token|refresh_token|id_token|client_secret|consumer_secret|assertion|password|passwd"
    "|private_key|session_?id|secret|api_?key"
)
_QUOTES = r"[\\'\"]*"
_VALUE = _QUOTES + r"[^\s\\'\"&,;})\]]+"
# The last line of defence: code with a secret at hand does not log it.
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
# Each pattern above needs one of these. Most lines have none, which saves nine searches.
_SIGNS = (
    *("-----begin", "bearer", "basic", "eyj", "00d", "token", "secret", "assertion", "passw"),
    *("private_key", "session", "api_key", "apikey", "://"),
)


def mask(text: str) -> str:
    """Replaces everything that looks like a credential by ****."""
    return _substitute(text) if looks_secret(text) else text


def looks_secret(text: str) -> bool:
    lower = text.lower()
    return any(map(lower.__contains__, _SIGNS))


def _substitute(text: str) -> str:
    for secret in _SECRETS:
        text = secret.sub(_replacement, text)
    return text


def _replacement(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if tag := groups.get("tag"):
        return f"<{tag}>{_MASK}"
    if value := groups.get("value"):
        quote = re.match(r"[\\'\"]*", value)
        is_reference = value.lstrip("\\'\"").startswith(_REFERENCES)
        mask = value if is_reference else (quote[0] if quote else "") + _MASK
        return match[0].removesuffix(value) + mask
    return _MASK


def mask_values(value: Any) -> Any:
    """Masks each string of a JSON document: masking its serialized text could remove a quote."""
    if isinstance(value, str):
        return _substitute(value)
    if isinstance(value, list):
        return [mask_values(item) for item in value]
    if isinstance(value, dict):
        return {_substitute(name): _mask_entry(name, item) for name, item in value.items()}
    return value


def _mask_entry(name: str, value: Any) -> Any:
    if not _SECRET_NAME.fullmatch(name) or value is None:
        return mask_values(value)
    is_reference = isinstance(value, str) and value.startswith(_REFERENCES)
    return value if is_reference else _MASK
