"""The wheel holds all of SEIL, and nothing else; `make wheel` runs it in an empty environment."""

from __future__ import annotations

import subprocess
import sys
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return ZipFile(built)


def read(wheel: ZipFile, name: str) -> bytes:
    (place,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(place)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return message_from_bytes(read(wheel, "METADATA"))


def test_every_file_of_the_package_is_in_the_wheel(wheel: ZipFile) -> None:
    files = [path for path in (ROOT / "src").rglob("*") if path.is_file()]
    expected = {
        path.relative_to(ROOT / "src").as_posix()
        for path in files
        if "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected
    assert {"seil/py.typed", "seil/catalog/objects.toml"} < expected


def test_the_wheel_has_the_command_and_the_license(wheel: ZipFile) -> None:
    assert read(wheel, "entry_points.txt").split() == [
        *(b"[console_scripts]", b"seil", b"=", b"seil.cli:main")
    ]
    assert read(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_names_its_extras(metadata: Message) -> None:
    assert {"all", "api", "aws", "sandbox"} <= set(metadata.get_all("Provides-Extra") or ())
    base = [line for line in metadata.get_all("Requires-Dist") or () if "extra ==" not in line]
    assert not any(line.startswith(("fastapi", "aiohttp", "boto3", "google")) for line in base)
