"""What a DBA gave and wrote: it outlives a rebuild, and a build that replaces a table."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.postgresql import Server
from tests.warehouse.postgresql.conftest import build, rebuild
from tests.warehouse.records import Accounts

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse

GIVEN = """
    CREATE SCHEMA bi;
    GRANT USAGE ON SCHEMA analytics, salesforce, bi TO reader;
    GRANT SELECT (id) ON analytics.sizes TO reader WITH GRANT OPTION;
    GRANT UPDATE (size) ON analytics.sizes TO PUBLIC;
    GRANT DELETE ON analytics.sizes TO reader;
    COMMENT ON COLUMN analytics.sizes.id IS 'it''s';
    ALTER TABLE analytics.sizes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY known ON analytics.sizes AS RESTRICTIVE FOR SELECT TO reader
        USING (id IN (SELECT id FROM salesforce.account));
    CREATE POLICY "a;b" ON analytics.sizes USING (true) WITH CHECK (false);
    CREATE VIEW bi.barred WITH (security_barrier = true, check_option = 'local')
        AS SELECT id FROM analytics.sizes WHERE id <> '';
    CREATE VIEW analytics.invoked WITH (security_invoker = true) AS SELECT id FROM analytics.sizes;
    COMMENT ON COLUMN bi.barred.id IS 'key';
    GRANT SELECT (id) ON bi.barred TO reader WITH GRANT OPTION"""
_STATE = """
SELECT has_column_privilege('reader', 'analytics.sizes', 'id', 'SELECT WITH GRANT OPTION') AS id,
    has_column_privilege('reader', 'analytics.sizes', 'size', 'SELECT') AS size,
    has_column_privilege('reader', 'analytics.sizes', 'size', 'UPDATE') AS size_of_public,
    has_table_privilege('reader', 'analytics.sizes', 'DELETE') AS deletes,
    col_description(CAST('analytics.sizes' AS regclass), 1) AS description,
    (SELECT json_agg(relname) FROM pg_class WHERE relrowsecurity) AS secured,
    (SELECT json_agg(p ORDER BY policyname) FROM pg_policies AS p) AS policies,
    (SELECT json_agg(reloptions ORDER BY relname) FROM pg_class WHERE reloptions IS NOT NULL
     AND relkind = 'v') AS options,
    has_column_privilege('reader', 'bi.barred', 'id', 'SELECT WITH GRANT OPTION') AS view_id,
    col_description(CAST('bi.barred' AS regclass), 1) AS view_description"""


@pytest.mark.parametrize("change", ["rebuild", "rebuild with other columns", "build"])
def test_what_a_dba_gave_stays(
    warehouse: Warehouse, accounts: Accounts, url: str, change: str
) -> None:
    wider = "SELECT id, size, 'x' AS other FROM salesforce.account"
    changes: dict[str, Callable[[], None]] = {
        "rebuild": lambda: rebuild(accounts, url),
        "rebuild with other columns": lambda: rebuild(accounts, url, wider),
        "build": lambda: build(warehouse, wider),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(GIVEN)
        before = connection.execute(_STATE).fetchall()
        changes[change]()
        assert connection.execute(_STATE).fetchall() == before


def test_a_policy_on_a_column_that_goes_stops_the_build(
    warehouse: Warehouse, accounts: Accounts, url: str
) -> None:
    """Without it, a reader would see the rows that it hides."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            ALTER TABLE analytics.sizes ENABLE ROW LEVEL SECURITY;
            CREATE POLICY small ON analytics.sizes USING (size < 1);
            GRANT SELECT (size) ON analytics.sizes TO reader""")
        narrow = "SELECT id FROM salesforce.account"
        with pytest.raises(WarehouseError, match=r'"size" does not exist'):
            build(warehouse, narrow)
        with pytest.raises(WarehouseError, match=r'"size" does not exist'):
            rebuild(accounts, url, narrow)
        connection.execute("DROP POLICY small ON analytics.sizes")
        build(warehouse, narrow)


def test_rows_that_a_policy_hides_from_seil_are_not_merged_again(
    server: Server, accounts: Accounts, url: str
) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            GRANT pg_read_all_data, pg_write_all_data TO reader;
            ALTER TABLE salesforce.account ENABLE ROW LEVEL SECURITY""")
    file = accounts.file(2, [{"id": "A", "size": 2, "stamp": 2}])
    settings = WarehouseSettings(url=url.replace("//seil@", "//reader@"))
    with open_warehouse(settings) as opened:
        accounts.warehouse = opened
        with pytest.raises(WarehouseError, match=r"row-level security policy.*BYPASSRLS"):
            accounts.merge(file)
    with open_warehouse(settings, read_only=True) as opened:
        assert opened.query("SELECT id FROM salesforce.account").num_rows == 0
    server.admin("REVOKE pg_read_all_data, pg_write_all_data FROM reader")
