"""docs/add-an-endpoint.md, done to a copy of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.api.lines import check, examples, sent, serving

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-an-endpoint.md"


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

    theirs = {"PYTHONPATH": str(tmp_path / "src")}
    arguments = ["-m", "pytest", "-q", "test_billing.py"]
    subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env={**os.environ, **theirs}, check=True
    )
    ((line, expected),) = examples(PAGE)
    with serving(tmp_path, theirs) as client:
        check(sent(client, line), expected)
