"""One setting is written into the settings file; all else of it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from seil.errors import ConfigurationError
from seil.settings.rewrite import SettingPlace

NEW = 'duckdb:a "new" \\ one.duckdb'


LITERAL = '"duckdb:a \\"new\\" \\\\ one.duckdb"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[warehouse]\nurl = "old"  # ours\n', f"[warehouse]\nurl = {LITERAL}  # ours\n"),
        ("[warehouse]\r\nurl='old'\r\n", f"[warehouse]\r\nurl={LITERAL}\r\n"),
        ('warehouse.url = "old"', f"warehouse.url = {LITERAL}"),
        (
            'warehouse = { memory = "1GB", url = "old" }',
            f'warehouse = {{ memory = "1GB", url = {LITERAL} }}',
        ),
        (
            '[lake]\nurl = "l"\n[warehouse] # w\nthreads = 2\n[feed]\nurl = "f"',
            f'[lake]\nurl = "l"\n[warehouse] # w\nurl = {LITERAL}\nthreads = 2\n[feed]\nurl = "f"',
        ),
        ('[lake]\nurl = "l"', f'[lake]\nurl = "l"\n\n[warehouse]\nurl = {LITERAL}\n'),
        ("", f"\n[warehouse]\nurl = {LITERAL}\n"),
    ],
    ids=["line", "literal", "dotted", "inline", "missing", "section-missing", "empty"],
)
def test_the_line_is_replaced_and_nothing_else(home: Path, text: str, expected: str) -> None:
    (home / "seil.toml").write_bytes(text.encode())
    SettingPlace(None, "warehouse", "url").write(NEW)
    assert (home / "seil.toml").read_bytes().decode() == expected
    assert [path.name for path in home.iterdir()] == ["seil.toml"]


def test_the_file_keeps_its_mode_and_its_link(home: Path) -> None:
    (home / "real.toml").write_text('[warehouse]\nurl = "old"')
    (home / "real.toml").chmod(0o600)
    (home / "seil.toml").symlink_to("real.toml")
    SettingPlace(None, "warehouse", "url").write("new")
    assert (home / "seil.toml").is_symlink()
    assert (home / "real.toml").read_text() == '[warehouse]\nurl = "new"'
    assert (home / "real.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "variables", "reason"),
    [
        ('[warehouse]\nurl = "old"', {"SEIL_WAREHOUSE__URL": "x"}, "SEIL_WAREHOUSE__URL sets it"),
        (None, {}, "there is no settings file"),
        ('warehouse."url" = "old"', {}, "its line is not understood"),
    ],
    ids=["variable", "no-file", "odd"],
)
def test_what_cannot_be_written_is_refused_by_name(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | None,
    variables: dict[str, str],
    reason: str,
) -> None:
    if text is not None:
        (home / "seil.toml").write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    place = SettingPlace(None, "warehouse", "url")
    with pytest.raises(ConfigurationError, match=reason):
        place.check()
    with pytest.raises(ConfigurationError, match=reason):
        place.write("new")
    if text is not None:
        assert (home / "seil.toml").read_text() == text
