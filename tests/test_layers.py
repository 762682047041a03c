"""Arrows go down only: the layers of src/seil hold, and the check finds what breaks them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.layers import Import, circle, past_the_next, private, read_imports, upward

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return read_imports(SOURCE)


def test_no_module_imports_a_layer_above_or_beside_its_own(imports: list[Import]) -> None:
    assert sorted(map(str, upward(imports))) == []


def test_no_module_takes_private_names_of_another(imports: list[Import]) -> None:
    assert sorted(map(str, private(imports))) == []


def test_no_modules_import_each_other_in_a_circle(imports: list[Import]) -> None:
    assert circle(imports) == []


def test_commands_call_the_application_layer_alone(imports: list[Import]) -> None:
    assert sorted(map(str, past_the_next(imports))) == []


PLANTED = {
    "at the top": "from low.errors import Error\nfrom high.run import run\n",
    "module itself": "import high.run\n",
    "inside a function": "def f():\n    from high.run import run\n    return run\n",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import high.run\n",
    "from the package": "from high import run\n",
    "relative": "from ..high import run\n",
    "by name": "import importlib\nimportlib.import_module('high.run')\n",
    "by name, without its package": "import_module(name='high.run')\n",
    "by __import__": "def f():\n    return __import__('high.run')\n",
    "by a name put together": "def f(name):\n    return import_module(f'high.run.{name}')\n",
    "by a name from a table": "HOMES = {'run': 'high.run'}\nimport_module(HOMES['run'])\n",
}


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_a_planted_arrow_upwards_is_detected(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"low/errors": "", "low/base": text, "high/run": "def run(): ..."})
    layers = (("root",), ("low",), ("high",))
    assert {(f.importer, f.module) for f in upward(read_imports(tmp_path), layers)} == {
        ("low.base", "high.run")
    }


def test_a_planted_arrow_sideways_is_detected(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "from two.b import B\n", "two/b": "class B: ..."})
    assert upward(read_imports(tmp_path), (("root",), ("one", "two")))


def test_a_module_without_a_layer_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "import new.b\n", "new/b": ""})
    with pytest.raises(LookupError, match=r"new\.b is in no layer"):
        upward(read_imports(tmp_path), (("root",), ("one",)))


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        pytest.param("from flow.load import load\n", True, id="at the top"),
        pytest.param("def f():\n    import flow.load\n", True, id="inside a function"),
        pytest.param("if not TYPE_CHECKING:\n    import flow.load\n", True, id="not for types"),
        pytest.param("if TYPE_CHECKING:\n    from flow.load import load\n", False, id="for types"),
        pytest.param("from app.steps import load\n", False, id="of the next layer"),
    ],
)
def test_a_planted_command_that_skips_the_application_layer_is_detected(
    tmp_path: Path, text: str, *, is_found: bool
) -> None:
    write(tmp_path, {"cli/load": text, "app/steps": "def load(): ...", "flow/load": "load = 1"})
    skipped = past_the_next(read_imports(tmp_path), {"cli": ("app",)})
    assert bool(skipped) is is_found


def test_a_planted_circle_is_detected_inside_functions_too(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "import one.b\n", "one/b": "def f():\n    from one.a import x\n"})
    assert set(circle(read_imports(tmp_path))) == {"one.a", "one.b"}


def test_a_planted_private_name_is_detected(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "from one.b import _x\n", "one/b": "_x = 1\n"})
    assert [str(imported) for imported in private(read_imports(tmp_path))] == [
        "one.a imports one.b._x"
    ]


def write(folder: Path, modules: dict[str, str]) -> None:
    for name, text in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
