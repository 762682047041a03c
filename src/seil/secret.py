"""References to secrets; the value is read only by `reveal`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem

_SCHEMES = ("env", "file", "aws", "plain")
_CURES = {
    "salesforce.refresh_token": "`seil login` gets one",
    "salesforce.private_key": "docs/connect-an-org.md shows how to create it",
}


class Secret:
    """A reference to a secret. Its repr shows the location, never the value.

    `setting` names the setting with the reference, for errors.
    """

    def __init__(self, reference: str, setting: str = "") -> None:
        self._reference = reference
        self._setting = setting

    def __repr__(self) -> str:
        return f"Secret({self.location})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._reference == self._reference

    def __hash__(self) -> int:
        return hash(self._reference)

    @property
    def file(self) -> Path | None:
        """The path of a `file:` reference."""
        scheme, _, rest = self._reference.partition(":")
        return Path(rest).expanduser() if scheme == "file" else None

    @property
    def location(self) -> str:
        scheme, _, rest = self._reference.partition(":")
        return f"{scheme}:****" if scheme == "plain" else f"{scheme}:{rest}"

    def reveal(self) -> str:
        """The value.

        Raises ConfigurationError with the location if there is no value, UnavailableError if
        Secrets Manager does not answer.
        """
        scheme, _, rest = self._reference.partition(":")
        if scheme == "plain":
            return rest
        if scheme == "env":
            if value := os.environ.get(rest):
                return value
            raise self._error("this variable is not set")
        if scheme == "aws":
            from seil.secrets_manager import secret

            return secret(rest)
        try:
            return Path(rest).expanduser().read_text("utf-8").strip()
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error

    def _error(self, reason: str) -> ConfigurationError:
        if not self._setting:
            return ConfigurationError([Problem(self.location, reason)])
        cure = _CURES.get(self._setting, "put the secret there, or change the reference")
        return ConfigurationError([Problem(self._setting, f"{self.location}: {reason}", cure)])

    def resolve(self, base: Path, setting: str = "") -> Secret:
        """The same reference with a relative `file:` made absolute from `base`."""
        scheme, _, rest = self._reference.partition(":")
        reference = (
            f"file:{base / Path(rest).expanduser()}" if scheme == "file" else self._reference
        )
        return Secret(reference, setting)

    @classmethod
    def parse(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and value.partition(":")[0] in _SCHEMES:
            return cls(value)
        raise ValueError(
            "a secret is a reference: env:NAME, file:PATH or aws:NAME, not the secret itself"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )
