"""API versions: three a year, one with each release.

https://help.salesforce.com/s/articleView?id=005321531&type=1 lists retirements.
"""

from __future__ import annotations

_SEASONS = ("Spring", "Summer", "Winter")
# v60 is Spring '24; a winter release is named after the following year.
_SPRING_24 = 60
# Salesforce supports a version for three years at least.
_SUPPORTED_RELEASES = 9
_RETIRED, _DEPRECATED = 30, 40


def release(version: str) -> str:
    """The release that a version came with: Spring '26 for 66.0."""
    since = int(float(version)) - _SPRING_24
    season = since % len(_SEASONS)
    year = 24 + since // len(_SEASONS) + (1 if _SEASONS[season] == "Winter" else 0)
    return f"{_SEASONS[season]} '{year:02}"


def age(version: str, newest: str) -> str:
    """How far a version is behind the org's newest; empty for the newest."""
    behind = int(float(newest)) - int(float(version))
    if behind <= 0:
        return ""
    count = "1 release" if behind == 1 else f"{behind} releases"
    return f"{count} behind the org's {newest} of {release(newest)}"


def end(version: str, newest: str) -> str:
    """A warning about a version's retirement; empty while none is due."""
    number = int(float(version))
    if number <= _RETIRED:
        return "Salesforce has switched it off"
    if number <= _DEPRECATED:
        return "Salesforce deprecates it in Summer '27 and removes it in Summer '28"
    if int(float(newest)) - number >= _SUPPORTED_RELEASES:
        return "Salesforce promises three years, and it is older"
    return ""
