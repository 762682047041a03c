from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import load_catalog
from seil.errors import ConfigurationError
from seil.sf_to_dw.ingest.imports import ImportResult, land_folder
from seil.sf_to_dw.ingest.object_names import ObjectNames


def write(path: Path, *, metadata: dict[str, str] | None = None, **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns or {"Id": [path.stem]}).replace_schema_metadata(metadata)
    pq.write_table(table, path)
    return path


def land(intake: Any, folder: Path, **options: Any) -> list[ImportResult]:
    return land_folder(intake.lake, intake.catalog, folder, bus=intake.bus, **options)


@pytest.mark.parametrize(
    ("path", "api_name"),
    [
        ("Account.parquet", "Account"),
        ("ACCOUNT_2026-03-09.parquet", "Account"),
        ("2026-03-09 Account (1).parquet", "Account"),
        ("salesforce_account/part-0.parquet", "Account"),
        ("Order Product 1.parquet", "OrderItem"),
        ("Order-Product_0001.parquet", "OrderItem"),
        ("orderitem.parquet", "OrderItem"),
        ("order.parquet", "Order"),
        ("Product2.parquet", "Product2"),
        ("product-delta.snappy.parquet", "Product2"),
        ("vlocity_cmt__AdServer__c.parquet", "vlocity_cmt__AdServer__c"),
        ("AdServer.parquet", "vlocity_cmt__AdServer__c"),
        ("usage.parquet", "Usage__c"),
        ("prod-Salesforce-Quote-Line-Item/0b9d1f2e-aaaa-4f0b/x1.parquet", "QuoteLineItem"),
        ("object=Contact/year=2026/part-00000-0b9d1f2e-c000.snappy.parquet", "Contact"),
        ("Order/000.parquet", "Order"),
        ("Order/Order-final.parquet", "Order"),
        ("Order/mine/Order-final.parquet", "Order"),
        ("account/part-00000-deadbeef-face-4f0b-c000.zstd.parquet", "Account"),
    ],
)
def test_name_identifies_the_object(path: str, api_name: str) -> None:
    stem, *folders = reversed(Path(path.removesuffix(".parquet")).parts)
    assert ObjectNames(load_catalog()).resolve([stem, *folders]).api_name == api_name


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["part-0", "exports"], "no name says"),
        (["my account list"], "'my account list' could mean Account"),
        (["contact backup", "account"], "'contact backup' could mean Contact"),
        (
            ["account contact"],
            "could mean Account or Contact: name the object, as in --object Account",
        ),
    ],
)
def test_ambiguous_name_is_refused(names: list[str], reason: str) -> None:
    with pytest.raises(LookupError, match=reason):
        ObjectNames(load_catalog()).resolve(names)


def test_folder_is_landed_taken_in_and_left_as_it_was(intake: Any, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    write(folder / "Account.parquet")
    write(folder / "deep" / "salesforce_contact" / "part-0.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").write_bytes(b"x")
    landed = [file for file in land(intake, folder) if file.state == "landed"]
    assert [file.object for file in landed] == ["Account", "Contact"]
    assert landed[0].key.startswith("in/dev-Salesforce-Account/import-")
    assert landed[0].key.endswith("/Account.parquet")
    assert len(intake.events("Object Created")) == 2
    assert len(intake.ingestor.sweep().succeeded) == 2
    assert (folder / "Account.parquet").exists()


def test_same_folder_again_lands_nothing_twice(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "exports" / "Account.parquet")
    (first,) = land(intake, tmp_path / "exports")
    (second,) = land(intake, tmp_path / "exports")
    assert (second.state, second.key) == ("landed", first.key)
    intake.ingestor.sweep()
    (third,) = land(intake, tmp_path / "exports")
    assert (third.state, third.key) == ("known", first.key)
    assert len(intake.curated_keys()) == 1


def test_changed_file_is_another_run(intake: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "exports" / "Account.parquet", Id=["a"])
    (first,) = land(intake, tmp_path / "exports")
    write(path, Id=["b"])
    (second,) = land(intake, tmp_path / "exports")
    assert first.key != second.key
    assert len(intake.ingestor.sweep().succeeded) == 2
    assert len(intake.curated_keys()) == 2


def test_metadata_comes_before_names(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "Account.parquet", metadata={"seil.object": "Contact"})
    assert land(intake, tmp_path / "Account.parquet")[0].object == "Contact"


def test_named_object_comes_before_everything(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "x" / "Account.parquet", metadata={"seil.object": "Contact"})
    (file,) = land(intake, tmp_path / "x", obj=intake.catalog["Thing__c"])
    assert file.object == "Thing__c"


def test_name_of_the_given_folder_counts_but_none_above(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "account" / "inner" / "part-0.parquet")
    assert land(intake, tmp_path / "account")[0].object == "Account"
    (file,) = land(intake, tmp_path / "account" / "inner")
    assert (file.state, file.key) == ("left", "")
    assert "--object" in file.reason


def make_text(path: Path) -> None:
    path.write_text("Id\n1\n")


def make_foreign(path: Path) -> None:
    write(path, metadata={"seil.object": "Nothing__c"})


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("README.txt", make_text, "is not Parquet"),
        ("stuff.parquet", write, "no name says"),
        ("Account.parquet", make_foreign, "Nothing__c is not in the catalog"),
    ],
)
def test_file_that_cannot_be_placed_is_named_and_the_others_go_on(
    intake: Any, tmp_path: Path, name: str, make: Callable[[Path], Any], reason: str
) -> None:
    make(tmp_path / name)
    write(tmp_path / "Contact.parquet")
    states = {file.path.name: file for file in land(intake, tmp_path) if file.path.is_file()}
    assert states[name].state == "left"
    assert reason in states[name].reason
    assert states[name].unplaced is name.endswith(".parquet")
    assert states["Contact.parquet"].state == "landed"


def test_broken_parquet_is_landed_so_that_its_rejection_is_recorded(
    intake: Any, tmp_path: Path
) -> None:
    (tmp_path / "Account.parquet").write_bytes(b"PAR1 and then nothing")
    (file,) = land(intake, tmp_path / "Account.parquet")
    assert file.state == "landed"
    assert [f.check for f in intake.ingestor.sweep().failed] == ["whole"]


def test_parquet_without_a_suffix_is_recognised(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "x" / "account")
    assert land(intake, tmp_path / "x")[0].object == "Account"


def test_odd_names_become_plain_keys(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "x" / "Account #12 ü.parquet")
    (file,) = land(intake, tmp_path / "x")
    assert file.key.rpartition("/")[2] == "Account-12-.parquet"
    assert intake.keys("in/") == [file.key]


def test_file_that_cannot_be_read_is_left(
    intake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "Account.parquet")
    original: Any = Path.open

    def denied(self: Path, *args: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return original(self, *args, **options)

    monkeypatch.setattr(Path, "open", denied)
    (file,) = land(intake, path)
    assert (file.state, file.reason) == ("left", "cannot be read: Permission denied")
    assert intake.keys() == []


def test_what_is_left_out_is_named_once_with_the_reason(intake: Any, tmp_path: Path) -> None:
    for path in (
        "_temporary/0/Account.parquet",
        ".git/Account.parquet",
        "other/seil-prod-sf-to-dw-curated/Account/a.parquet",
        "feed/Account.parquet",
        "target/Account.parquet",
    ):
        write(tmp_path / path)
    intake.land({"Id": ["a"]}, "Account")
    for name in ("data.csv", ".DS_Store", "journal.sqlite", "journal.sqlite-wal"):
        make_text(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.parquet").symlink_to("loop.parquet")
    files = land(intake, tmp_path, own=[tmp_path / "journal.sqlite", tmp_path / "feed"])
    reasons = {
        f.path.relative_to(tmp_path).as_posix(): f.reason for f in files if f.state == "left"
    }
    assert reasons == {
        ".DS_Store": "is hidden: its name begins with .",
        ".git": "is hidden: its name begins with .",
        "_temporary": "is hidden: its name begins with _",
        "data.csv": "is not Parquet",
        "feed": "is SEIL's own",
        "gone": "is no file",
        "journal.sqlite": "is SEIL's own",
        "journal.sqlite-wal": "is SEIL's own",
        "lake/seil-dev-sf-to-dw-curated": "is SEIL's own",
        "lake/seil-dev-sf-to-dw-landing": "is SEIL's own",
        "lake/seil-dev-sf-to-dw-staging": "is SEIL's own",
        "link": "is a link to a folder",
        "loop.parquet": "is no file",
        "other/seil-prod-sf-to-dw-curated": "is SEIL's own",
    }
    assert not any(file.unplaced for file in files)
    assert [file.path for file in files if file.state == "landed"] == [
        tmp_path / "target" / "Account.parquet"
    ]


def test_another_lakes_bucket_can_be_named(intake: Any, tmp_path: Path) -> None:
    bucket = tmp_path / "seil-prod-sf-to-dw-curated"
    write(bucket / "Salesforce-Account" / "a.parquet")
    assert [file.object for file in land(intake, bucket)] == ["Account"]


@pytest.mark.parametrize("name", ["", "in/dev-Salesforce-Account"])
def test_own_lake_is_refused(intake: Any, name: str) -> None:
    key = intake.land({"Id": ["a"]}, "Account")
    with pytest.raises(ConfigurationError, match="is in SEIL's own lake"):
        land(intake, intake.lake.landing.path(name))
    assert intake.keys() == [key]


def test_named_file_that_is_left_is_unplaced(intake: Any, tmp_path: Path) -> None:
    make_text(tmp_path / "README.txt")
    (file,) = land(intake, tmp_path / "README.txt")
    assert (file.state, file.unplaced) == ("left", True)


def test_folder_that_cannot_be_read_is_unplaced(
    intake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x" / "closed" / "Account.parquet")
    original: Any = Path.iterdir

    def denied(self: Path) -> Any:
        if self.name == "closed":
            raise PermissionError(13, "Permission denied")
        return original(self)

    monkeypatch.setattr(Path, "iterdir", denied)
    (file,) = land(intake, tmp_path / "x")
    assert (file.reason, file.unplaced) == ("cannot be read: Permission denied", True)


def test_missing_folder_is_a_configuration_error(intake: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        land(intake, tmp_path / "nowhere")


def test_import_without_a_bus_publishes_nothing(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "Account.parquet")
    land_folder(intake.lake, intake.catalog, tmp_path / "Account.parquet")
    assert intake.bus.events == {}


HIVE = [
    ("Type=Customer%20-%20Direct", "Customer - Direct"),
    ("type=Prospect", "Prospect"),
    ("Type=__HIVE_DEFAULT_PARTITION__", None),
    ("Type=a%2Fb%3Dc+d", "a/b=c+d"),
]


@pytest.mark.parametrize(("folder", "value"), HIVE, ids=[name for name, _ in HIVE])
def test_parts_of_a_folder_are_columns(
    intake: Any, tmp_path: Path, folder: str, value: str | None
) -> None:
    write(tmp_path / "Account" / "year=2026" / folder / "part-0.parquet", Id=["001"], Name=["x"])
    land(intake, tmp_path / "Account")
    (file,) = intake.ingestor.sweep().files
    assert intake.rows(file, "Id", "Type", "year") == [{"Id": "001", "Type": value, "year": "2026"}]
    assert "Type" not in intake.events()[-1].detail["missing"]


@pytest.mark.parametrize("begin", ["Account", "Account/Type=A", "Account/Type=A/x.parquet"])
def test_parts_count_wherever_the_given_folder_begins(
    intake: Any, tmp_path: Path, begin: str
) -> None:
    write(tmp_path / "Account/Type=A/x.parquet", Id=["001"])
    land(intake, tmp_path / begin, obj=intake.catalog["Account"])
    (file,) = intake.ingestor.sweep().files
    assert intake.rows(file, "Type") == [{"Type": "A"}]


@pytest.mark.parametrize(
    ("folder", "values", "state"),
    [
        ("Type=A", ["A", "A"], "success"),
        ("Type=A", ["A", "B"], "error"),
        ("Type=A", ["A", None], "error"),
        ("Type=__HIVE_DEFAULT_PARTITION__", [None, None], "success"),
        ("Type=__HIVE_DEFAULT_PARTITION__", [None, "B"], "error"),
        ("NumberOfEmployees=many", ["A", "A"], "error"),
    ],
)
def test_a_folder_that_contradicts_its_file_is_an_error(
    intake: Any, tmp_path: Path, folder: str, values: list[Any], state: str
) -> None:
    write(tmp_path / "x/Account" / folder / "x.parquet", Id=["1", "2"], Type=values)
    land(intake, tmp_path / "x")
    (file,) = intake.ingestor.sweep().files
    assert file.state == state
    if state == "error":
        assert "column" in file.message
        assert folder.partition("=")[0] in file.message


def test_folders_that_contradict_each_other_are_named(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "x/Account/Type=A/type=B/x.parquet")
    (file,) = land(intake, tmp_path / "x")
    assert (file.state, file.unplaced) == ("left", True)
    assert file.reason == "its folders give Type both 'B' and 'A'"


def test_the_same_content_in_two_parts_is_two_files(intake: Any, tmp_path: Path) -> None:
    for part in ("A", "B"):
        write(tmp_path / f"x/Account/Type={part}/x.parquet", Id=["001"])
    assert len({done.key for done in land(intake, tmp_path / "x")}) == 2
    intake.ingestor.sweep()
    assert {done.state for done in land(intake, tmp_path / "x")} == {"known"}


def test_a_part_does_not_identify_the_object(intake: Any, tmp_path: Path) -> None:
    write(tmp_path / "x/Account/Kind=Contact/x.parquet")
    (done,) = land(intake, tmp_path / "x")
    assert done.object == "Account"


@pytest.mark.parametrize(
    ("marker", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
@pytest.mark.parametrize("begin", ["", "Account", "Account/data", "Account/data/x.parquet"])
def test_a_table_of_another_format_is_refused_by_name(
    intake: Any, tmp_path: Path, marker: str, kind: str, begin: str
) -> None:
    write(tmp_path / "x/Account/data/x.parquet")
    marked = tmp_path / "x/Account" / marker
    marked.parent.mkdir(parents=True)
    marked.write_text("{}")
    good = write(tmp_path / "x/Contact.parquet") if not begin else None
    done = {entry.state: entry for entry in land(intake, tmp_path / "x" / begin)}
    assert f"is a {kind} table" in done["left"].reason
    assert "first" in done["left"].reason
    assert done["left"].unplaced
    assert ("landed" in done) == (good is not None)
