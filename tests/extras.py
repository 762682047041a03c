"""Runs SEIL as if only the base and some extras were installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    names_ = {re.split(r"[^\w.-]", entry, maxsplit=1)[0].lower() for entry in requirements}
    return {name.replace("_", "-") for name in names_} - {"seil"}


def installed_with(requirements: set[str]) -> set[str]:
    """With what these need in their turn."""
    names_: set[str] = set()
    waiting = list(requirements)
    while waiting:
        name = waiting.pop()
        if name in names_:
            continue
        names_.add(name)
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:  # For another version of Python.
            continue
        needed = [entry for entry in needed if "extra ==" not in entry]
        waiting += names(needed)
    return names_


BASE = names(PROJECT["dependencies"])
OPTIONAL = {
    extra: names(requirements) for extra, requirements in PROJECT["optional-dependencies"].items()
}


HIDING = """
import sys
hidden = set(sys.argv.pop(1).split(","))
class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hiding())
from seil.cli import main
sys.argv[0] = "seil"
main()
"""


def without(extras: Collection[str]) -> str:
    """The modules that are not there where only the base and `extras` are installed."""
    there = installed_with(BASE.union(*(OPTIONAL[extra] for extra in extras)))
    return ",".join(
        module
        for module, distributions in packages_distributions().items()
        if module != "seil"
        and not {name.lower().replace("_", "-") for name in distributions} & there
    )


def run(
    folder: Path, *arguments: str, extras: Collection[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HIDING, without(extras), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
