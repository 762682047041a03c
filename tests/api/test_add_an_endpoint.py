"""docs/add-an-endpoint.md, done to a copy of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-an-endpoint.md"
ROUTES = """
from seil.api.edge.routes_techone import techone_router
assert "/v1/techone/debtor/{debtor_number}/billing" in {r.path for r in techone_router(None).routes}
"""


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_pages_endpoint_works(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "change.diff").write_text("".join(_blocks("diff")))
    (test,) = _blocks("python")
    (tmp_path / "test_billing.py").write_text(test)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    # Not below another repository, whose own files git would take for meant.
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}

    subprocess.run(["git", "apply", "change.diff"], cwd=tmp_path, env=alone, check=True)

    theirs = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    for arguments in (["-m", "pytest", "-q", "test_billing.py"], ["-c", ROUTES]):
        subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=theirs, check=True)
