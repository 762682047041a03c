"""The Python API does what its page says, and importing it does nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seil
from seil.sandbox.salesforce.server import OrgServer

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONFIG = """
[salesforce]
login_url = "{url}"
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
[events]
journal = "journal.sqlite"
"""


def test_the_page_runs_from_top_to_bottom(
    generated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with OrgServer(generated) as server:
        (tmp_path / "seil.toml").write_text(CONFIG.format(url=server.url))
        for block in BLOCK.findall((ROOT / "docs/python.md").read_text()):
            exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "account"
    [count] = ast.literal_eval(next(line for line in printed if line.startswith("[{")))
    assert count["count"] > 0
    assert any("nothing" in line for line in printed)
    assert set(re.findall(r"seil\.(\w+)\(", (ROOT / "docs/python.md").read_text())) <= set(
        seil.__all__
    )


def test_all_is_what_can_be_had_and_what_is_typed() -> None:
    stub = ast.parse((ROOT / "src/seil/__init__.pyi").read_text())
    imported = [n.names[0] for n in stub.body if isinstance(n, ast.ImportFrom)]
    assert sorted({alias.asname or alias.name for alias in imported} | {"__version__"}) == sorted(
        seil.__all__
    )
    assert all(getattr(seil, name) is not None for name in seil.__all__)
    assert set(seil.__all__) <= set(dir(seil))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(seil, "no_such_name")


def test_importing_it_loads_and_configures_nothing(tmp_path: Path) -> None:
    text = """
import sys, os, logging, threading
modules, variables = set(sys.modules), dict(os.environ)
import seil
new = set(sys.modules) - modules
print(sorted(name for name in new if name.split(".")[0] not in sys.stdlib_module_names))
print(sorted(name for name in os.environ if variables.get(name) != os.environ[name]))
print(logging.getLogger().handlers, logging.getLogger("seil").handlers)
print(threading.active_count(), os.listdir())
"""
    environment = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    ran = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert ran.stdout.splitlines() == ["['seil']", "[]", "[] []", "1 []"]
