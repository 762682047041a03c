"""A push's file: what it may say, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from seil.dw_to_sf.definition import load_definition
from seil.errors import ConfigurationError

GOOD = """
object = "Account"
key = "Ext__c"
operation = "upsert"
query = "SELECT 1"
[fields]
Name = "name"
"""
BAD = {
    "no object": (GOOD.replace("object", "objects"), "object: is missing"),
    "no query": (GOOD.replace("query", "querys"), "query: is missing"),
    "unknown operation": (GOOD.replace("upsert", "upsrt"), "operation"),
    "two columns onto one field": (GOOD + 'name = "other"\n', "fields.name: is mapped twice"),
    "external id that is also mapped": (GOOD + 'ext__c = "x"\n', "the key is also mapped"),
    "no fields": (GOOD.replace('Name = "name"\n', ""), "fields: is missing"),
    "fields of a deletion": (GOOD.replace("upsert", "delete"), "a deletion writes no fields"),
    "unknown owner": (GOOD + '[fields.Phone]\ncolumn = "p"\nowner = "hers"\n', "owner"),
    "unknown policy": (GOOD + '[retry]\nwhen = "never"\n', "retry.when"),
    "no pause": (GOOD + '[retry]\npause = "soon"\n', "is not a duration"),
    "no TOML": (GOOD + "[", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_file_that_cannot_be_right_is_refused_by_name(tmp_path: Path, case: str) -> None:
    content, reason = BAD[case]
    (tmp_path / "accounts.toml").write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_definition(tmp_path, "accounts")
    assert reason in str(caught.value)
    assert "accounts.toml" in str(caught.value)


def test_policy_and_brakes_leave_the_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(GOOD)
    before = load_definition(tmp_path, "accounts").fingerprint
    file.write_text(GOOD + '[retry]\nwhen = "each_run"\npause = "2h"\n[brakes]\nchanges = 1\n')
    assert load_definition(tmp_path, "accounts").fingerprint == before
    file.write_text(GOOD.replace('"name"', '"other"'))
    assert load_definition(tmp_path, "accounts").fingerprint != before


def test_unknown_push_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"set folder in \[push\]"):
        load_definition(None, "nothing")
    with pytest.raises(ConfigurationError, match=r"write .*nothing\.toml"):
        load_definition(tmp_path, "nothing")
    (tmp_path / "accounts.toml").write_text(GOOD)
    with pytest.raises(ConfigurationError, match="did you mean `seil push plan accounts`"):
        load_definition(tmp_path, "acounts")
    with pytest.raises(ConfigurationError, match="there are accounts"):
        load_definition(tmp_path, "nothing")
