"""A type name is unique in src/seil; participles name neither functions nor classes nor values."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.names import participle_values, participles, riddled_tests, shared_types

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"


def test_no_two_types_share_a_name() -> None:
    assert shared_types(SOURCE) == {}


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=["src", "tests"])
def test_no_function_or_class_is_named_by_a_participle(folder: Path) -> None:
    assert participles(folder) == set()


@pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=["src", "tests"])
def test_no_value_is_named_by_a_participle(folder: Path) -> None:
    assert participle_values(folder) == set()


def test_tests_are_named_by_plain_verbs() -> None:
    assert riddled_tests(TESTS) == set()


@pytest.mark.parametrize(
    "text",
    ["class Plan: ...", "Plan: TypeAlias = int", "Plan = dict[str, int]", "Plan = int | str"],
    ids=["class", "alias", "subscript", "union"],
)
def test_a_planted_second_type_is_detected(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.py").write_text("class Plan: ...")
    (tmp_path / "two.py").write_text(text)
    assert shared_types(tmp_path) == {"Plan": ["one", "two"]}


def test_private_types_and_values_may_share_a_name(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("class _Plan: ...\nPLAN = 1\nplan = rows[0]")
    assert shared_types(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "def found(): ...",
        "async def _told(): ...",
        "class Found: ...",
        "class A:\n def kept(self): ...",
    ],
    ids=["function", "private", "class", "method"],
)
def test_a_planted_participle_is_detected(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.py").write_text(text)
    assert len(participles(tmp_path)) == 1


def test_a_verb_is_no_participle(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def find(): ...\nclass Finding: ...")
    assert participles(tmp_path) == set()


@pytest.mark.parametrize(
    "text",
    [
        "found = 1",
        "def find(told): ...",
        "for _kept in []: ...",
        "if said := 1: ...",
        "lambda asked: 1",
    ],
    ids=["assignment", "parameter", "loop", "walrus", "lambda"],
)
def test_a_planted_value_is_detected(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.py").write_text(text)
    assert len(participle_values(tmp_path)) == 1


def test_fields_of_a_shape_are_no_values(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("class A:\n kept: int\nentry.kept = 1")
    assert participle_values(tmp_path) == set()


def test_a_planted_test_name_is_detected(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def test_error_is_told(): ...\ndef test_retold(): ...")
    assert riddled_tests(tmp_path) == {("one", "test_error_is_told")}
