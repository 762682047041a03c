"""From a file in the landing bucket to a row in the warehouse, by functions that queues call.

On ministack: S3's events, a bus, rules, queues and functions, all for real; the warehouse and the
state are PostgreSQL's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.limits import until
from tests.ministack import Ministack
from tests.postgresql import Server, running
from tests.sf_to_dw.small_site import SmallSite, record_id

from seil.settings import StateSettings
from seil.state import open_state

BUS = "dev-sf-to-dw"
LANDING, CURATED, STAGING = (
    f"seil-dev-sf-to-dw-{name}" for name in ("landing", "curated", "staging")
)
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "ingest": (
        "default",
        {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [LANDING]}, "object": {"key": [{"prefix": "in/"}]}},
        },
    ),
    "load": (
        BUS,
        {
            "source": ["seil.sf-to-dw"],
            "detail-type": ["file-ingestion"],
            "detail": {"state": ["success"]},
        },
    ),
    "audit": (BUS, {"source": [{"prefix": "seil."}]}),
}


@dataclass(frozen=True)
class Functions:
    """What is deployed: a queue for each function, with one for its dead letters."""

    aws: Ministack
    url: str
    folder: Path

    def deploy(self) -> None:
        for bucket in (LANDING, CURATED, STAGING):
            self.aws.bucket(bucket)
        self.aws.client("s3").put_bucket_notification_configuration(
            Bucket=LANDING, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.aws.client("events").create_event_bus(Name=BUS)
        for name, (bus, pattern) in RULES.items():
            self._deploy(name, bus, pattern)

    def _deploy(self, name: str, bus: str, pattern: dict[str, Any]) -> None:
        events, functions = self.aws.client("events"), self.aws.client("lambda")
        dead = self._queue(f"{name}-dead")
        redrive = {"deadLetterTargetArn": dead, "maxReceiveCount": 3}
        queue = self._queue(name, VisibilityTimeout="2", RedrivePolicy=json.dumps(redrive))
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": queue}])
        self.aws.function(name, f"seil.aws.{name}", self._environment)
        functions.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=queue,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        )

    def _queue(self, name: str, **attributes: str) -> str:
        sqs = self.aws.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **self.aws.environment,
            "AWS_ALLOW_HTTP": "true",
            "SEIL_LAKE__URL": "s3://",
            "SEIL_WAREHOUSE__URL": self.url,
            "SEIL_STATE__URL": self.url,
            "SEIL_EVENTS__BUS": BUS,
            "SEIL_CATALOG__FILE": str(self.folder / "objects.toml"),
        }

    def put(self, bucket: str, key: str, data: bytes) -> None:
        self.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        answer = self.aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]

    def rows(self, sql: str) -> list[Any]:
        try:
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def states(self) -> list[tuple[str, str]]:
        """Type and state of each event in the audit trail, in order."""
        with open_state(StateSettings(url=self.url)) as state:
            return [
                (event.detail_type, str(event.detail.get("state", "")))
                for _, event in state.events.read()
            ]

    def dead(self, name: str) -> int:
        sqs = self.aws.client("sqs")
        url = sqs.get_queue_url(QueueName=f"{name}-dead")["QueueUrl"]
        names = ["ApproximateNumberOfMessages"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(17) as database:
        yield database


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    site = SmallSite(tmp_path)
    with site.org.serve():
        site.add(record_id(1), record_id(2))
        yield site


@pytest.fixture
def functions(aws: Ministack, server: Server, site: SmallSite) -> Functions:
    deployed = Functions(aws, server.url(server.new_database()), site.folder)
    deployed.deploy()
    return deployed


def landed_files(site: SmallSite) -> dict[str, bytes]:
    """By key; SEIL's extractor writes the shape that AppFlow does."""
    site.pass_time(seconds=1)
    with site.open() as opened:
        opened.extractor.run(opened.catalog.select([site.org.name]))
        landing = opened.lake.landing
        return {entry.key: landing.get(entry.key) for entry in landing.list("in/")}


def test_landed_file_reaches_the_warehouse_and_the_audit_trail(
    functions: Functions, site: SmallSite
) -> None:
    [(key, data)] = landed_files(site).items()
    functions.put(LANDING, key, data)
    records = "SELECT id FROM salesforce.widget ORDER BY id"
    until(lambda: functions.rows(records))
    assert functions.rows(records) == [(record_id(1),), (record_id(2),)]
    assert functions.keys(LANDING, "in/") == []
    [curated] = functions.keys(CURATED, "Salesforce-")
    until(lambda: ("load", "success") in functions.states())
    assert functions.states().count(("file-ingestion", "success")) == 1

    # S3 may send an event twice, and does send one for a copy.
    functions.put(LANDING, key, data)
    until(lambda: functions.states().count(("file-ingestion", "success")) == 2)
    until(lambda: functions.keys(LANDING, "in/") == [])
    assert functions.keys(CURATED, "Salesforce-") == [curated]
    assert functions.rows(records) == [(record_id(1),), (record_id(2),)]

    broken = key.replace(key.rpartition("/")[2], "broken.parquet")
    functions.put(LANDING, broken, b"PAR1 and nothing else")
    until(lambda: ("file-ingestion", "error") in functions.states())
    assert functions.keys(LANDING, "in/") == []
    assert any("broken" in name for name in functions.keys(LANDING, "error/"))
    assert [functions.dead(name) for name in RULES] == [0, 0, 0]
