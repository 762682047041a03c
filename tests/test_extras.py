"""What each part of SEIL imports, its extra installs; the base syncs an org without any extra."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tests.extras import BASE, OPTIONAL, PROJECT, ROOT, run
from tests.sites import Site

SOURCE = ROOT / "src/seil"
# Which extra installs what a package, or a module, imports beside the base.
EXTRAS = {
    "admanager": {"api"},
    "api": {"api"},
    "aws": {"aws", "api"},
    "aws_clients.py": {"aws"},
    "events/event_bridge.py": {"aws"},
    "observe/spans.py": {"api"},
    "observe/traces.py": {"api"},
    "postgres_server.py": {"postgres"},
    "salesforce/pubsub": {"events"},
    "sandbox": {"sandbox"},
    "sandbox/beside_api.py": {"sandbox", "api"},
    "sandbox/issuer": {"sandbox", "api"},
    "secrets_manager.py": {"aws"},
    "state/postgres.py": {"postgres"},
    "warehouse/postgresql": {"postgres"},
    "warehouse/spark": {"spark"},
    "techone": {"api"},
    "cli/serve.py": {"api"},
    "iceberg": {"iceberg", "aws"},
}
# Of the same version as boto3 and pydantic, which ask for it.
PINNED = {"botocore", "pydantic-core"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def allowed(place: str) -> set[str]:
    fits = [name for name in EXTRAS if place == name or place.startswith(f"{name}/")]
    extras = EXTRAS[max(fits, key=len)] if fits else set()
    return BASE.union(*(OPTIONAL[extra] for extra in extras))


def test_every_import_is_installed_by_the_base_or_the_extra_of_its_package() -> None:
    providers = packages_distributions()
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE).as_posix()
        for module in imported(path):
            top = module.partition(".")[0]
            is_own = top in sys.stdlib_module_names or top in {"seil", "google"}
            if is_own or top.startswith("mypy_boto3"):  # For types only.
                continue
            names = {name.lower().replace("_", "-") for name in providers.get(top, [top])}
            if not names & (allowed(place) | PINNED):
                wrong.append(f"{place}: {module}")
    assert wrong == []


def test_all_is_every_extra() -> None:
    (entry,) = PROJECT["optional-dependencies"]["all"]
    names = set(re.findall(r"\w+", entry)) - {"seil"}
    assert names == set(OPTIONAL) - {"all"}


@pytest.mark.parametrize(
    ("line", "extras", "missing"),
    [
        ("serve", set(), "api"),
        ("serve", {"sandbox"}, "api"),
        ("serve --sandbox --port 0", {"api"}, "sandbox"),
        ("demo", set(), "sandbox"),
        ("sandbox salesforce", set(), "sandbox"),
        ("sandbox admanager", {"api"}, "sandbox"),
        ("sandbox techone", set(), "sandbox"),
        ("sync gam-to-sf", set(), "api"),
    ],
)
def test_a_command_whose_extra_is_missing_says_which(
    tmp_path: Path, line: str, extras: set[str], missing: str
) -> None:
    answer = run(tmp_path, *line.split(), extras=extras)
    assert answer.returncode == 2, answer.stderr
    assert f"Install it with `pip install 'seil[{missing}]'`" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_doctor_says_which_extra_a_flow_needs(tmp_path: Path) -> None:
    settings = "[salesforce]\nattempts = 1\n[gam_to_sf]\ncalls_per_second = 2\n"
    (tmp_path / "seil.toml").write_text(settings)
    answer = run(tmp_path, "doctor")
    assert "Traceback" not in answer.stderr
    assert "fail  Ad Manager: " in answer.stdout
    assert "pip install 'seil[api]'" in answer.stdout


def test_a_secret_of_aws_says_which_extra_reads_it(tmp_path: Path) -> None:
    (tmp_path / "seil.toml").write_text('[salesforce]\nclient_secret = "aws:salesforce"\n')
    answer = run(tmp_path, "login")
    assert (answer.returncode, "pip install 'seil[aws]'" in answer.stderr) == (2, True)


def test_the_base_lists_its_commands_and_syncs_an_org(tmp_path: Path, generated: Path) -> None:
    shutil.copytree(generated, tmp_path / "org")
    site = Site(tmp_path)
    with site.serve():
        site.pass_a_second()
        for line in ("--help", "sandbox --help", "plan", "run", "status", "query SELECT 1"):
            answer = run(tmp_path, *line.split(maxsplit=1))
            assert answer.returncode == 0, (line, answer.stdout + answer.stderr)
