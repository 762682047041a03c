import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from seil.errors import ConfigurationError, ConflictError
from seil.salesforce.ids import id18
from seil.sandbox.salesforce.metadata import SField, SObject
from seil.sandbox.salesforce.store import FILE_NAME, OrgStore, ident

ODD = 'Odd "name"'
SHIP = SObject.of(
    "Ship__c",
    [
        SField.of("Id", "id", flags=["required"]),
        SField.of("IsDeleted", "boolean", flags=["required"]),
        SField.of(ODD, "string"),
        SField.of("Length__c", "double", precision=10, scale=3),
        SField.of("Where__c", "location"),
    ],
    key_prefix="a01",
)
HOLD = """
import os, sys, time
from pathlib import Path
from seil.sandbox.salesforce.store import OrgStore
store = OrgStore.open(Path(sys.argv[1]))
with store.write() as cursor:
    cursor.execute('INSERT INTO Ship__c (Id) VALUES (?)', [store.next_id("Ship__c")])
uncommitted = store._connection.cursor()
uncommitted.begin()
uncommitted.execute('INSERT INTO Ship__c (Id) VALUES (?)', ["never"])
print("written", flush=True)
if sys.argv[2] == "die":
    os.kill(os.getpid(), 9)
time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrgStore]:
    with OrgStore.create(tmp_path / "org", [SHIP]) as empty:
        yield empty


def ids(store: OrgStore) -> list[str]:
    rows = store.cursor().execute("SELECT Id FROM Ship__c ORDER BY Id").fetchall()
    return [identifier for (identifier,) in rows]


def add(store: OrgStore) -> str:
    with store.write() as cursor:
        identifier = store.next_id("Ship__c")
        cursor.execute("INSERT INTO Ship__c (Id) VALUES (?)", [identifier])
    return identifier


def hold(folder: Path, mode: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), mode], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def test_create_makes_a_table_of_the_stored_fields(store: OrgStore) -> None:
    columns = store.cursor().execute("DESCRIBE Ship__c").fetchall()
    assert [(name, kind) for name, kind, *_ in columns] == [
        ("Id", "VARCHAR"),
        ("IsDeleted", "BOOLEAN"),
        (ODD, "VARCHAR"),
        ("Length__c", "DECIMAL(10,3)"),
    ]


def test_objects_are_found_without_regard_to_case(store: OrgStore) -> None:
    assert "SHIP__C" in store.objects
    assert store.object("ship__C").name == "Ship__c"
    assert list(store.objects) == ["Ship__c"]
    assert store.objects.get("Boat__c") is None
    with pytest.raises(KeyError):
        store.object("Boat__c")


def test_open_finds_everything_as_it_was_left(tmp_path: Path) -> None:
    with OrgStore.create(tmp_path, [SHIP]) as store:
        store.add_object(SObject.of("Sail__c", [SField.of("Id", "id")]))
        store.keep_setting("color", "red")
        first = add(store)
        describes = [entry.describe() for entry in store.objects.values()]
    with OrgStore.open(tmp_path) as store:
        assert [entry.describe() for entry in store.objects.values()] == describes
        assert store.setting("color") == "red"
        assert store.setting("shape", "round") == "round"
        assert ids(store) == [first]
        assert add(store) > first


def test_next_ids_are_valid_and_never_repeat(store: OrgStore) -> None:
    several = [*store.next_ids("Ship__c", 500), store.next_id("ship__c")]
    assert len(set(several)) == 501
    assert several == sorted(several)
    assert all(id18(each[:15]) == each and each.startswith("a01") for each in several)
    assert store.last_number("Ship__c") == 501


def test_next_ids_do_not_repeat_after_an_error(store: OrgStore) -> None:
    with pytest.raises(RuntimeError), store.write():
        lost = store.next_id("Ship__c")
        raise RuntimeError
    assert add(store) > lost


def test_write_is_undone_on_an_error(store: OrgStore) -> None:
    def fails() -> None:
        with store.write() as cursor:
            cursor.execute("INSERT INTO Ship__c (Id) VALUES ('x')")
            store.add_field("Ship__c", SField.of("Mast__c", "int"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert ids(store) == []
    assert store.object("Ship__c").field("Mast__c") is None
    add(store)


def test_write_nests(store: OrgStore) -> None:
    with store.write() as outer:
        with store.write() as inner:
            assert inner is outer
        assert store.cursor() is outer
        add(store)
    assert len(ids(store)) == 1


def test_one_thread_writes_at_a_time(store: OrgStore) -> None:
    threads = [threading.Thread(target=lambda: [add(store) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids(store))) == 80


def test_readers_see_only_what_is_committed(store: OrgStore) -> None:
    seen: list[int] = []
    with store.write() as cursor:
        cursor.execute("INSERT INTO Ship__c (Id) VALUES ('x')")
        assert len(ids(store)) == 1
        reader = threading.Thread(target=lambda: seen.append(len(ids(store))))
        reader.start()
        reader.join()
    assert seen == [0]
    assert ids(store) == ["x"]


def test_a_thread_keeps_its_cursor(store: OrgStore) -> None:
    assert store.cursor() is store.cursor()


def test_a_field_added_is_stored_and_described(store: OrgStore) -> None:
    add(store)
    store.add_field("ship__c", SField.of("Mast__c", "int"))
    store.add_field("Ship__c", SField.of("Port__c", "address"))
    assert store.cursor().execute("SELECT Mast__c FROM Ship__c").fetchall() == [(None,)]
    described = [entry["name"] for entry in store.object("Ship__c").describe()["fields"]]
    assert described[-2:] == ["Mast__c", "Port__c"]


def test_a_field_dropped_is_gone(store: OrgStore) -> None:
    store.drop_field("Ship__c", "length__C")
    store.drop_field("Ship__c", "Where__c")
    assert store.object("Ship__c").field("Length__c") is None
    with pytest.raises(duckdb.BinderException):
        store.cursor().execute("SELECT Length__c FROM Ship__c")


def test_a_field_changed_keeps_the_values_that_fit(store: OrgStore) -> None:
    with store.write() as cursor:
        columns = f"(Id, {ident(ODD)})"
        cursor.execute(f"INSERT INTO Ship__c {columns} VALUES ('1', '12.5'), ('2', 'long')")
    store.change_field("Ship__c", SField.of(ODD, "double", precision=6, scale=1))
    rows = store.cursor().execute(f"SELECT {ident(ODD)} FROM Ship__c ORDER BY Id").fetchall()
    assert [None if value is None else str(value) for (value,) in rows] == ["12.5", None]
    changed = store.object("Ship__c").field(ODD.upper())
    assert changed is not None
    assert changed.type == "double"


def test_schema_changes_survive_reopening(tmp_path: Path) -> None:
    with OrgStore.create(tmp_path, [SHIP]) as store:
        store.add_field("Ship__c", SField.of("Mast__c", "int"))
        store.drop_field("Ship__c", "Length__c")
    with OrgStore.open(tmp_path) as store:
        names = [entry.name for entry in store.object("Ship__c").stored_fields]
        assert names == ["Id", "IsDeleted", ODD, "Mast__c"]
        columns = store.cursor().execute("DESCRIBE Ship__c").fetchall()
        assert [name for name, *_ in columns] == names


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.add_object(SHIP), ConflictError, "already has an object Ship__c"),
        (
            lambda s: s.add_field("Ship__c", SField.of("ID", "id")),
            ConflictError,
            "Ship__c already has a field ID",
        ),
        (lambda s: s.drop_field("Ship__c", "Mast__c"), KeyError, "Ship__c has no field Mast__c"),
        (
            lambda s: s.change_field("Ship__c", SField.of("Mast__c", "int")),
            KeyError,
            "Ship__c has no field Mast__c",
        ),
    ],
)
def test_impossible_schema_changes(
    store: OrgStore, change: Callable[[OrgStore], None], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        change(store)


def test_a_taken_key_prefix_is_replaced(store: OrgStore) -> None:
    added = store.add_object(SObject.of("Boat__c", [SField.of("Id", "id")], key_prefix="a01"))
    assert added.key_prefix != "a01"
    assert store.object("Boat__c").key_prefix == added.key_prefix


def test_hard_deleted_records_are_remembered(store: OrgStore) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    store.remember_hard_deleted("ship__c", ["a", "b"], at)
    store.remember_hard_deleted("Ship__c", [], at)
    rows = store.cursor().execute("SELECT * FROM seil.hard_deleted ORDER BY id").fetchall()
    naive = at.replace(tzinfo=None)
    assert rows == [("Ship__c", "a", naive), ("Ship__c", "b", naive)]


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    with OrgStore.create(tmp_path, [SHIP]) as store:
        first = add(store)
    process = hold(tmp_path, "die")
    assert process.wait() == -9
    assert process.stdout is not None
    process.stdout.close()
    with OrgStore.open(tmp_path) as store:
        remaining = ids(store)
        assert len(remaining) == 2
        assert remaining[0] == first
        assert add(store) not in remaining


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    OrgStore.create(tmp_path, [SHIP]).close()
    process = hold(tmp_path, "stay")
    try:
        with pytest.raises(ConflictError, match="Another process holds the stand-in org in"):
            OrgStore.open(tmp_path)
    finally:
        process.kill()
        process.communicate()
    OrgStore.open(tmp_path).close()


def test_a_folder_is_open_once_in_a_process(store: OrgStore) -> None:
    with pytest.raises(ConflictError, match="already open in this process"):
        OrgStore.open(store.folder)
    store.close()
    OrgStore.open(store.folder).close()


def test_create_leaves_an_existing_org_alone(tmp_path: Path) -> None:
    with OrgStore.create(tmp_path, [SHIP]) as store:
        added = add(store)
    with pytest.raises(ConflictError, match="already holds a stand-in org"):
        OrgStore.create(tmp_path, [])
    with OrgStore.open(tmp_path) as store:
        assert ids(store) == [added]


def test_an_unfinished_org_gives_way(tmp_path: Path) -> None:
    OrgStore.create(tmp_path, [SHIP], unfinished=True).close()
    with pytest.raises(ConfigurationError, match="generating the org was cut short"):
        OrgStore.open(tmp_path)
    with OrgStore.create(tmp_path, [], unfinished=True) as store:
        assert list(store.objects) == []
        store.finish()
    OrgStore.open(tmp_path).close()


def test_a_failed_create_lets_go_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="already has an object"):
        OrgStore.create(tmp_path, [SHIP, SHIP], unfinished=True)
    with pytest.raises(ConfigurationError):
        OrgStore.open(tmp_path)


def _nothing(_folder: Path) -> None: ...


def _text(folder: Path) -> None:
    (folder / FILE_NAME).write_bytes(b"this is no database " * 1000)


def _foreign(folder: Path) -> None:
    duckdb.connect(folder / FILE_NAME).close()


def _newer(folder: Path) -> None:
    with OrgStore.create(folder) as store:
        store.keep_setting("format", "99")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        pytest.param(_nothing, "there is no stand-in org here", id="nothing"),
        pytest.param(_text, "org.duckdb is not an org of the stand-in", id="no database"),
        pytest.param(_foreign, "org.duckdb is not an org of the stand-in", id="another database"),
        pytest.param(_newer, "the org has format 99, not 1", id="another format"),
    ],
)
def test_open_what_is_no_org(tmp_path: Path, prepare: Callable[[Path], None], message: str) -> None:
    prepare(tmp_path)
    with pytest.raises(ConfigurationError, match=message) as caught:
        OrgStore.open(tmp_path)
    assert str(tmp_path) in str(caught.value)
    if prepare is not _nothing:
        with pytest.raises(ConfigurationError):
            OrgStore.create(tmp_path)


def test_memory_limit_is_kept_to(tmp_path: Path) -> None:
    with OrgStore.create(tmp_path, memory_limit="200MB") as store:
        row = store.cursor().execute("SELECT current_setting('memory_limit')").fetchone()
    assert row == ("190.7 MiB",)


def test_quoted_names_cannot_break_out() -> None:
    assert ident('a"b') == '"a""b"'


def test_an_interrupt_that_meets_the_commit_is_what_ends_it(store: OrgStore) -> None:
    """Ctrl-C can come when DuckDB has committed, and Python not yet gone on."""
    with pytest.raises(KeyboardInterrupt), store.write() as cursor:
        cursor.execute("INSERT INTO Ship__c (Id) VALUES ('a01')")
        cursor.commit()
        raise KeyboardInterrupt
    assert ids(store) == ["a01"]
    assert add(store) in ids(store)
