from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import Catalog, FlowSettings, SyncedObject
from seil.lake import LandedFile
from seil.salesforce.schema import Field, ObjectSchema
from seil.sf_to_dw.ingest import checks
from seil.sf_to_dw.ingest.checks import UnfitError

ACCOUNT = SyncedObject(api_name="Account", required=("Id", "SystemModstamp"))
CONTACT = SyncedObject(api_name="Contact")
CATALOG = Catalog([ACCOUNT, CONTACT])
PREFIXED = "003000000000001AAA"


def parquet(**columns: list[Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns or {"Id": ["a"]}), sink)
    return sink.getvalue()


WHOLE = parquet()


def test_known_landing_name_gives_the_object() -> None:
    assert checks.check_object(LandedFile("dev", "account", "r", "f"), CATALOG) == ACCOUNT


def test_unknown_landing_name_is_refused_with_the_cure() -> None:
    with pytest.raises(UnfitError, match="'Nothing' is not the landing name") as caught:
        checks.check_object(LandedFile("dev", "Nothing", "r", "f"), CATALOG)
    assert "objects.toml" in caught.value.hint


@pytest.mark.parametrize(("size", "reason"), [(0, "is empty"), (11, "has 11 bytes")])
def test_small_file_is_refused(size: int, reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        checks.check_size(size, 12)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Id,Name\r\n1,two\r\n", "is not Parquet: it begins with b'Id,N'"),
        (b"PARE" + b"x" * 20, "encrypted"),
        (WHOLE[:-20], "cut off"),
        (WHOLE[: len(WHOLE) // 2], "cut off"),
        (b"PAR1", "footer cannot have"),
        (b"PAR1" + b"\xff\xff\xff\x7fPAR1", "footer cannot have"),
    ],
    ids=["csv", "encrypted", "tail lost", "half", "head only", "absurd footer"],
)
def test_what_is_not_whole_parquet_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        checks.check_magic(io.BytesIO(content), len(content))


def test_whole_file_passes_and_is_rewound() -> None:
    file = io.BytesIO(WHOLE)
    checks.check_magic(file, len(WHOLE))
    assert file.tell() == 0
    assert checks.OpenParquet(file).num_rows == 1


def test_footer_of_garbage_is_refused() -> None:
    content = b"PAR1" + b"\x99" * 100 + (80).to_bytes(4, "little") + b"PAR1"
    checks.check_magic(io.BytesIO(content), len(content))
    with pytest.raises(UnfitError, match="cannot be read"):
        checks.OpenParquet(io.BytesIO(content))


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_damaged_page_is_found_while_reading(compression: Any) -> None:
    sink = io.BytesIO()
    table = pa.table({"Id": [f"{n * 7919:018d}" for n in range(20_000)]})
    pq.write_table(
        table, sink, compression=compression, write_page_checksum=True, use_dictionary=False
    )
    damaged = bytearray(sink.getvalue())
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(64)
    opened = checks.OpenParquet(io.BytesIO(bytes(damaged)))
    with pytest.raises(UnfitError, match="cannot be read"):
        list(opened.batches(rows=1000, step_bytes=1 << 20))


def test_text_that_is_not_utf8_is_found() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"Id": ["aaaaaaaa"]}), sink, compression="none", use_dictionary=False)
    opened = checks.OpenParquet(io.BytesIO(sink.getvalue().replace(b"aaaaaaaa", b"\xff" * 8)))
    with pytest.raises(UnfitError, match="UTF8"):
        list(opened.batches(rows=10, step_bytes=1000))


def test_failing_disk_is_not_the_files_fault() -> None:
    with pytest.raises(OSError, match="Input"), checks.readable():
        raise OSError(errno.EIO, "Input/output error")


def test_batches_are_small_where_records_are_large() -> None:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"Id": [f"{n:06d}" + "x" * 10_000 for n in range(1500)]}), sink, compression="none"
    )
    opened = checks.OpenParquet(sink)
    sizes = [b.num_rows for b in opened.batches(rows=65536, step_bytes=5_000_000)]
    assert max(sizes) < 600
    assert sum(sizes) == 1500


@pytest.mark.parametrize("name", ["Account", "account", None])
def test_metadata_that_agrees_with_the_folder_passes(name: str | None) -> None:
    checks.check_object_metadata({"seil.object": name} if name else {}, ACCOUNT, CATALOG)


@pytest.mark.parametrize("name", ["Contact", "Nothing__c"])
def test_metadata_that_disagrees_with_the_folder_is_refused(name: str) -> None:
    with pytest.raises(UnfitError, match=f"holds {name} records.*folder of Account"):
        checks.check_object_metadata({"seil.object": name}, ACCOUNT, CATALOG)


def test_row_count_must_match_the_manifest() -> None:
    checks.check_rows(5, ACCOUNT, {"the manifest": 5})
    with pytest.raises(UnfitError, match="has 5 rows, the manifest says 6"):
        checks.check_rows(5, ACCOUNT, {"the manifest": 6})


def test_no_rows_are_allowed_where_the_flow_says_so() -> None:
    checks.check_rows(0, ACCOUNT, {})
    strict = SyncedObject(api_name="Account", flow=FlowSettings(allow_empty=False))
    with pytest.raises(UnfitError, match="has no rows"):
        checks.check_rows(0, strict, {})


def test_footer_that_claims_other_rows_is_refused() -> None:
    with pytest.raises(UnfitError, match="footer says 3 rows, the file holds 2"):
        checks.check_rows_read(2, 3)


def test_columns_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(UnfitError, match="Id, ID"):
        checks.check_duplicates(["Id", "Name", "ID"])


def test_required_columns_and_the_key_must_be_there() -> None:
    checks.check_required(["ID", "systemmodstamp"], ACCOUNT)
    with pytest.raises(UnfitError, match="missing: Id, SystemModstamp"):
        checks.check_required(["Name"], ACCOUNT)


def schema_of(*names: str) -> ObjectSchema:
    return ObjectSchema("Account", tuple(Field(name, "string", pa.string()) for name in names))


def test_records_of_another_object_are_recognised_by_ids_and_columns() -> None:
    columns = ["Id", "FirstName", "LastName", "Phone"]
    with pytest.raises(UnfitError, match="these are Contact records"):
        checks.check_ids([PREFIXED], columns, ACCOUNT, schema_of("Id", "Phone"))


@pytest.mark.parametrize(
    ("ids", "columns", "schema"),
    [
        ([PREFIXED], ["Id", "FirstName", "LastName"], None),
        ([PREFIXED], ["Id", "Phone", "New__c"], schema_of("Id", "Phone")),
        (["001000000000001AAA"], ["Id", "New__c"], schema_of("Id")),
        (["a0X000000000001AAA"], ["Id", "New__c"], schema_of("Id")),
        (["1", "2"], ["Id", "New__c"], schema_of("Id")),
        ([PREFIXED, "001000000000001AAA"], ["Id", "New__c"], schema_of("Id")),
        ([], ["Id", "New__c"], schema_of("Id")),
    ],
    ids=["unknown schema", "known columns", "own ids", "custom", "made up", "mixed", "none"],
)
def test_one_sign_is_not_enough(
    ids: list[str], columns: list[str], schema: ObjectSchema | None
) -> None:
    checks.check_ids(ids, columns, ACCOUNT, schema)


def test_objects_with_a_key_of_their_own_have_no_prefix() -> None:
    keyed = SyncedObject(api_name="Account", key="Code__c")
    checks.check_ids([PREFIXED], ["Id", "New__c"], keyed, schema_of("Id"))


def test_garbage_of_100_mb_is_refused_after_a_dozen_bytes(tmp_path: Path) -> None:
    sparse = tmp_path / "garbage"
    with sparse.open("wb") as file:
        file.truncate(100 << 20)

    class Counting(io.FileIO):
        read_bytes = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(-1 if size is None else size) or b""
            self.read_bytes += len(data)
            return data

    counting: Any = Counting(sparse)
    with counting, pytest.raises(UnfitError, match="not Parquet"):
        checks.check_magic(counting, 100 << 20)
    assert counting.read_bytes <= 12
