"""REST and Glue as catalogs: loads, builds, and a commit that ends between two of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from tests.iceberg.rest_catalog import rest_server
from tests.ministack import REGION, Ministack
from tests.spark import OPTIONS, aws_jars, spark_settings
from tests.warehouse.records import TABLE, Accounts, select
from tests.warehouse.test_commits import content, everything

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.spark.commit_log import COMMIT_ID
from seil.warehouse.spark.jvm import current_catalog
from seil.warehouse.spark.upkeep import lost_files
from seil.warehouse.spark.warehouse import SparkWarehouse

pytestmark = [pytest.mark.matrix, pytest.mark.spark, pytest.mark.usefixtures("spark")]

FIRST, SECOND = TABLE, TableName("salesforce", "b")
_CREDENTIALS = "software.amazon.awssdk.auth.credentials"
COLUMNS = pa.schema([pa.field("id", pa.string())])


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[WarehouseSettings]:
    with rest_server(tmp_path / "rest") as server:
        yield spark_settings(tmp_path, catalog="rest", uri=server.url, location="")


@pytest.fixture
def glue(s3: Ministack, tmp_path: Path) -> WarehouseSettings:
    if not aws_jars():
        pytest.skip("the AWS SDK's jars are not installed: make spark does it")
    s3.bucket("glue-catalog")
    # Java runs already, so that it does not see this test's environment.
    system = SparkContext._jvm.java.lang.System  # type: ignore[union-attr]
    system.setProperty("aws.accessKeyId", s3.environment["AWS_ACCESS_KEY_ID"])
    system.setProperty("aws.secretAccessKey", s3.environment["AWS_SECRET_ACCESS_KEY"])
    catalog = {
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "glue.endpoint": s3.url,
        "s3.endpoint": s3.url,
        "s3.path-style-access": "true",
        "s3.access-key-id": s3.environment["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": s3.environment["AWS_SECRET_ACCESS_KEY"],
        "client.region": REGION,
        "client.credentials-provider": f"{_CREDENTIALS}.SystemPropertyCredentialsProvider",
        "http-client.type": "urlconnection",
    }
    own = {f"spark.sql.catalog.lakehouse.{name}": value for name, value in catalog.items()}
    options = {**OPTIONS, **own}
    place = "s3://glue-catalog/tables"
    return spark_settings(tmp_path, catalog="glue", location=place, options=options)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> WarehouseSettings:
    settings: WarehouseSettings = request.getfixturevalue(request.param)
    return settings


@contextmanager
def hidden_metadata(warehouse: SparkWarehouse, table: TableName, s3: Ministack) -> Iterator[None]:
    """The catalog cannot load the table in the block."""
    loaded = warehouse.database.load(table)
    assert loaded
    place = urlsplit(str(loaded.java.operations().current().metadataFileLocation()))
    if place.scheme == "s3":
        client, name = s3.client("s3"), {"Bucket": place.netloc, "Key": place.path[1:]}
        body = client.get_object(**name)["Body"].read()
        client.delete_object(**name)
        yield
        client.put_object(**name, Body=body)
    else:
        aside = Path(place.path).rename(place.path + ".aside")
        yield
        aside.rename(place.path)


@pytest.mark.parametrize("settings", ["rest", "glue"], indirect=True)
def test_a_catalog_holds_loads_builds_and_repeated_commits(
    settings: WarehouseSettings, s3: Ministack, tmp_path: Path
) -> None:
    with open_warehouse(settings) as warehouse:
        assert isinstance(warehouse, SparkWarehouse)
        warehouse.prepare()
        accounts, contents = Accounts(warehouse, tmp_path), []
        run = everything(accounts)
        for _ in range(2):
            with warehouse.commit("once") as commit:
                run(commit)
            contents.append(content(warehouse))
        assert contents[0] == contents[1]
        assert contents[0][3] == [("a",), ("b",), ("c",)]
        check_a_commit_that_stops(warehouse, s3)
        # Listed without Hadoop, which has no file system for the files of Glue's catalog here.
        assert lost_files(warehouse.database, FIRST, settings, is_dry_run=True) == 0


def check_a_commit_that_stops(warehouse: SparkWarehouse, s3: Ministack) -> None:
    """Between two tables; the next one writes only the second."""
    with warehouse.commit("tables") as commit:
        commit.tables.create_table(SECOND, COLUMNS, key="id")
    with ExitStack() as stack, pytest.raises(WarehouseError), warehouse.commit("stopped"):
        for table in (FIRST, SECOND):
            warehouse.database.append(table, pa.table({"id": ["z"]}))
        stack.enter_context(hidden_metadata(warehouse, SECOND, s3))
    first = head(warehouse, FIRST)
    assert first[1] == "stopped"
    assert head(warehouse, SECOND)[1] is None
    with warehouse.commit("next"):
        pass
    assert head(warehouse, FIRST) == first
    assert head(warehouse, SECOND)[1] == "stopped"
    assert select(warehouse, f"SELECT id FROM {SECOND}") == [("z",)]


def head(warehouse: SparkWarehouse, table: TableName) -> tuple[int | None, str | None]:
    """Its current snapshot, and the id of the commit that wrote it."""
    loaded = warehouse.database.load(table)
    assert loaded
    return loaded.head(), loaded.summary().get(COMMIT_ID)


def test_a_warehouse_closes_its_catalog(rest: WarehouseSettings) -> None:
    """Else a process that opens one each hour would keep every client and its threads."""
    with open_warehouse(rest) as warehouse:
        assert isinstance(warehouse, SparkWarehouse)
        catalog = current_catalog(warehouse.database.session).icebergCatalog()
        catalog.listNamespaces()
    with pytest.raises(Py4JJavaError, match="Connection pool shut down"):
        catalog.listNamespaces()
