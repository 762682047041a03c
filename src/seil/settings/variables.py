"""The names of SEIL_* variables: `SEIL_SALESFORCE__CLIENT_ID` is `[salesforce] client_id`."""

from __future__ import annotations

from collections.abc import Iterator

from seil.settings.root import SECTIONS, Settings, TopLevel

PREFIX = "SEIL_"
# SEIL_CONFIG names the settings file; the kill tests read the others.
NOT_SETTINGS = frozenset({"SEIL_CONFIG", "SEIL_KILL_LIVES", "SEIL_KILL_SEED"})


def setting_of(variable: str) -> list[str]:
    """A section and perhaps a setting of it, or one outside of sections; empty if there is none.

    The setting itself is not checked.
    """
    section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
    if section not in Settings.model_fields:
        return []
    return [section, name] if separator else [section]


def is_misspelt(variable: str) -> bool:
    """Whether it can only be meant as a setting: it has `__`, or `_` where that belongs."""
    letters = variable.replace("_", "").upper()
    return "__" in variable or any(name.replace("_", "") == letters for name in _names())


def suggest(variable: str) -> str:
    """`did you mean SEIL_X?`, or nothing."""
    from seil.wrong_values import closest

    names = {name.removeprefix(PREFIX): name for name in _names()}
    choice = closest(variable.removeprefix(PREFIX).upper(), names, cutoff=0.8)
    return f"did you mean {names[choice]}?" if choice else ""


def _names() -> Iterator[str]:
    for name in TopLevel.model_fields:
        yield f"{PREFIX}{name}".upper()
    for section, model in SECTIONS.items():
        yield from (f"{PREFIX}{section}__{name}".upper() for name in model.model_fields)
