"""A warehouse in PostgreSQL beside what readers do there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest
from tests.holder import Holder
from tests.postgresql import Server
from tests.warehouse.postgresql.conftest import SELECT, SIZES, build, reader, rebuild
from tests.warehouse.records import TABLE, TYPES, Accounts

from seil.errors import LeaseLostError, WarehouseError
from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import Records, TableName, Warehouse, open_warehouse

KEY = pa.schema([pa.field("id", pa.string())])


def sizes(connection: psycopg.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT id, size FROM analytics.sizes ORDER BY id").fetchall()


def test_a_load_and_a_build_complete_beside_an_open_transaction(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    with reader(url) as open_transaction:
        accounts.merge(accounts.file(2, [{"id": "B", "size": 2, "stamp": 2}]))
        build(warehouse)
        assert sizes(open_transaction) == [("A", 1)]
    with psycopg.connect(url) as later:
        assert sizes(later) == [("A", 1), ("B", 2)]


def test_a_new_column_that_a_reader_holds_up_is_refused_by_name(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    column = pa.schema([pa.field("region", pa.string())])
    with (
        reader(url),
        pytest.raises(WarehouseError, match="lock timeout") as refusal,
        warehouse.commit("drift") as commit,
    ):
        commit.tables.add_columns(TABLE, column)
    assert "reader's transaction" in refusal.value.hint
    with warehouse.commit("drift") as commit:
        commit.tables.add_columns(TABLE, column)
    columns = warehouse.columns(TABLE)
    assert columns is not None
    assert "region" in columns.names


def test_keys_are_primary_keys(accounts: Accounts, url: str) -> None:
    with psycopg.connect(url) as connection:
        grouped = connection.execute("SELECT a.name FROM salesforce.account AS a GROUP BY a.id")
        assert grouped.fetchall() == [(None,)]


def test_views_of_users_outlive_a_rebuild_of_what_they_read(accounts: Accounts, url: str) -> None:

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bi")
        connection.execute("CREATE VIEW bi.big AS SELECT * FROM analytics.sizes WHERE size > 0")
        connection.execute("CREATE VIEW bi.bigger AS SELECT * FROM bi.big")
    rebuild(accounts, url)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT * FROM bi.bigger").fetchall() == []
        old = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%old'")
        assert old.fetchall() == []


def test_what_a_dba_gave_and_wrote_outlives_a_rebuild(accounts: Accounts, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            GRANT USAGE ON SCHEMA analytics TO reader;
            GRANT SELECT ON analytics.sizes TO reader WITH GRANT OPTION;
            GRANT SELECT ON salesforce.account TO PUBLIC;
            COMMENT ON TABLE salesforce.account IS 'it''s';
            CREATE FUNCTION analytics.double(n BIGINT) RETURNS BIGINT LANGUAGE sql AS 'SELECT 2*n';
            CREATE VIEW analytics.doubles AS SELECT analytics.double(size) FROM analytics.sizes""")
        rebuild(accounts, url)
        rights = """
            SELECT has_schema_privilege('reader', 'analytics', 'USAGE'),
                has_table_privilege('reader', 'analytics.sizes', 'SELECT WITH GRANT OPTION'),
                has_table_privilege('reader', 'salesforce.account', 'SELECT'),
                obj_description(CAST('salesforce.account' AS regclass)), analytics.double(2),
                (SELECT count(*) FROM analytics.doubles)"""
        assert connection.execute(rights).fetchall() == [(True, True, True, "it's", 4, 0)]


def test_what_is_made_during_a_rebuild_stays(accounts: Accounts, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bi")

        def make() -> None:
            connection.execute("""
                CREATE VIEW bi.late AS SELECT id FROM analytics.sizes;
                CREATE TABLE analytics.notes AS SELECT 1 AS note;
                CREATE VIEW analytics.noted AS SELECT note FROM analytics.notes""")

        rebuild(accounts, url, meanwhile=make)
        late = "SELECT (SELECT count(*) FROM bi.late), note FROM analytics.noted"
        assert connection.execute(late).fetchall() == [(0, 1)]


def test_a_view_that_is_made_during_a_rebuild_and_does_not_fit_stays_and_is_named(
    accounts: Accounts, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bi")
        late = "CREATE VIEW bi.late AS SELECT size + 1 AS size FROM analytics.sizes"
        narrow = "SELECT id FROM salesforce.account"
        rebuild(accounts, url, narrow, meanwhile=lambda: connection.execute(late))
        assert "view bi.late, made during the rebuild, does not fit" in caplog.text
        with pytest.raises(WarehouseError, match=r"Change or drop the views"):
            rebuild(accounts, url, narrow)
        assert connection.execute("SELECT size FROM bi.late").fetchall() == [(2,)]
        connection.execute("DROP VIEW bi.late")
        rebuild(accounts, url, narrow)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"url": "postgresql://seil@127.0.0.1:1/x"}, "that the server runs"),
        ({"database": "nowhere"}, "Create that database"),
        ({"user": "nobody"}, "Correct the user"),
    ],
    ids=["no server", "no database", "no user"],
)
def test_what_cannot_be_opened_says_why(server: Server, change: dict[str, str], hint: str) -> None:
    url = change.get("url") or server.url(
        change.get("database", "postgres"), change.get("user", "seil")
    )
    with pytest.raises(WarehouseError) as refusal:
        open_warehouse(WarehouseSettings(url=url))
    assert hint in refusal.value.hint


def test_options_of_the_url_come_before_the_defaults(server: Server) -> None:
    database = server.new_database()
    url = server.url(database, application_name="monday")
    with open_warehouse(WarehouseSettings(url=url)) as opened:
        rows = opened.query("SELECT current_setting('application_name') AS name").to_pylist()
    assert rows == [{"name": "monday"}]


def test_a_reader_cannot_write(server: Server, url: str, accounts: Accounts) -> None:
    with open_warehouse(WarehouseSettings(url=url), read_only=True) as opened:
        assert opened.query(SELECT).num_rows == 1
        with pytest.raises(WarehouseError, match="read-only"), opened.commit("x") as commit:
            commit.tables.drop(TABLE)


def test_views_of_users_follow_changed_columns_with_their_rights(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            CREATE SCHEMA bi; CREATE VIEW bi.sizes AS SELECT id, size FROM analytics.sizes;
            CREATE MATERIALIZED VIEW bi.kept AS SELECT id FROM bi.sizes;
            CREATE UNIQUE INDEX kept_id ON bi.kept (id);
            CREATE VIEW bi.accounts AS SELECT id, size FROM salesforce.account;
            COMMENT ON VIEW bi.accounts IS 'it''s';
            GRANT SELECT ON bi.sizes, bi.accounts TO PUBLIC""")
        with warehouse.commit("drift") as commit:
            commit.tables.change_type(TABLE, pa.field("size", pa.string()))
        with warehouse.commit("build") as commit:
            commit.builder.publish([commit.builder.stage_table(SIZES, f"{SELECT} -- as text")])
        views = "SELECT a.size, s.size, obj_description(CAST('bi.accounts' AS regclass)) "
        joined = "FROM bi.accounts AS a JOIN bi.sizes AS s USING (id) JOIN bi.kept USING (id)"
        assert connection.execute(views + joined).fetchall() == [("1", "1", "it's")]
        connection.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY bi.kept")
        rights = """SELECT has_table_privilege('reader', 'bi.sizes', 'SELECT'),
                           has_table_privilege('reader', 'bi.kept', 'SELECT')"""
        assert connection.execute(rights).fetchall() == [(True, False)]


def test_a_view_that_does_not_fit_is_named_and_nothing_changes(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    as_text = "SELECT id, 'x' AS size FROM salesforce.account"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE VIEW public.big AS SELECT size + 1 AS n FROM analytics.sizes")
        with (
            pytest.raises(WarehouseError, match=r"the view public\.big reads analytics\.sizes"),
            warehouse.commit("build") as commit,
        ):
            commit.builder.publish([commit.builder.stage_table(SIZES, as_text)])
        assert connection.execute("SELECT n FROM public.big").fetchall() == [(2,)]
        with (
            pytest.raises(WarehouseError, match=r"view public\.big depends"),
            warehouse.commit("drop") as commit,
        ):
            commit.tables.drop(SIZES)


def test_a_history_follows_a_changed_type(warehouse: Warehouse, tmp_path: Path) -> None:
    records = Records(TABLE, "id", timed_files=".", history=True)
    accounts = Accounts(warehouse, tmp_path, records=records)
    accounts.merge(accounts.file(1, [{"id": "A", "size": 1, "stamp": 1}]))
    with warehouse.commit("drift") as commit:
        commit.tables.change_type(TABLE, pa.field("size", pa.string()))
    accounts.types = {**TYPES, "size": pa.string()}
    accounts.merge(accounts.file(2, [{"id": "A", "size": "two", "stamp": 2}]))
    versions = "SELECT size FROM salesforce_history.account ORDER BY valid_from"
    assert accounts.select(versions) == [("1",), ("two",)]


def test_views_of_users_follow_a_rebuild_that_changes_columns(accounts: Accounts, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            CREATE VIEW public.big AS SELECT * FROM analytics.sizes;
            CREATE VIEW public.both AS SELECT big.size, a.id FROM big, salesforce.account AS a;
            CREATE MATERIALIZED VIEW public.kept AS SELECT id FROM big;
            CREATE INDEX kept_id ON public.kept (id);
            GRANT SELECT ON public.big, public.kept TO PUBLIC""")
        rebuild(accounts, url, "SELECT CAST(size AS VARCHAR) AS size, id FROM salesforce.account")
        rebuild(accounts, url)
        assert connection.execute("SELECT * FROM public.both, public.kept").fetchall() == []
        rights = """SELECT has_table_privilege('reader', 'big', 'SELECT'),
            has_table_privilege('reader', 'kept', 'SELECT'), to_regclass('kept_id') IS NULL"""
        assert connection.execute(rights).fetchall() == [(True, True, False)]


def test_a_run_of_before_a_rebuild_commits_nothing_after_it(accounts: Accounts, url: str) -> None:
    fence = RunFence()
    with fence.guard(Holder(1)), open_warehouse(WarehouseSettings(url=url), fence=fence) as early:
        build(early)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE VIEW public.v AS SELECT * FROM analytics.sizes")
        rebuild(accounts, url)
        with pytest.raises(LeaseLostError, match="under token 2"):
            build(early)


def test_a_commit_that_a_later_run_overtook_is_rolled_back(url: str, warehouse: Warehouse) -> None:
    first, second = RunFence(), RunFence()
    settings = WarehouseSettings(url=url)
    with (
        first.guard(Holder(1)),
        second.guard(Holder(2)),
        open_warehouse(settings, fence=first) as early,
        open_warehouse(settings, fence=second) as late,
    ):
        build(early, "SELECT 'first' AS id")
        with pytest.raises(LeaseLostError), early.commit("overtaken") as commit:
            commit.tables.create_table(TableName("", "lost"), KEY, key="id")
            build(late, "SELECT 'second' AS id")
        assert early.tables() == ["sizes"]


def test_a_failure_that_was_passed_over_does_not_look_like_a_commit(warehouse: Warehouse) -> None:
    with (
        pytest.raises(WarehouseError, match="failed before its end"),
        warehouse.commit("x"),
        suppress(WarehouseError),
    ):
        warehouse.query("SELECT 1 / 0")


def test_a_connection_lost_in_a_commit_changes_nothing(
    server: Server, warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    with pytest.raises(WarehouseError) as failure, warehouse.commit("lost") as commit:
        commit.tables.drop(TABLE)
        server.end_connections(urlsplit(url).path[1:])
    assert "Run the same command again" in failure.value.hint
    with open_warehouse(WarehouseSettings(url=url)) as again:
        assert again.query(SELECT).num_rows == 1


def test_a_local_timestamp_of_a_model_is_kept(warehouse: Warehouse) -> None:
    build(warehouse, "SELECT CAST('2026-01-02 03:04:05' AS TIMESTAMP) AS id")
    stored = warehouse.query("SELECT id FROM sizes")["id"]
    assert [str(moment) for moment in stored] == ["2026-01-02 03:04:05"]


def test_a_second_role_prepares_what_the_owner_made(server: Server, url: str) -> None:
    settings = WarehouseSettings(url=url)
    with open_warehouse(settings) as owner:
        owner.prepare()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA seil, analytics TO reader")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA seil TO reader")
    with open_warehouse(WarehouseSettings(url=url.replace("//seil@", "//reader@"))) as second:
        second.prepare()
