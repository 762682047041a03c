"""AWS on this machine, for tests: a ministack of its own, which listens on 127.0.0.1 only."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from tests.limits import HANGS, until

REGION = "ap-southeast-2"
ACCOUNT = "111122223333"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/tests"
# Without a line on stderr ministack waits 50 ms for one after every call.
_HANDLER = """\
import sys
from {module} import handler as answer

def handler(event, context):
    print("called", file=sys.stderr)
    return answer(event, context)
"""


@dataclass(frozen=True)
class Ministack:
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 reads, so that it calls this and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def client(self, name: str) -> Any:
        return _session().client(name, endpoint_url=self.url)

    def bucket(self, name: str) -> None:
        place = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)

    def role(self, name: str, allowed: Mapping[str, Sequence[str]]) -> str:
        """A role of Lambda functions that may do this to these resources only; its ARN."""
        iam = self.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))
        statements = [
            {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            for resource, actions in allowed.items()
        ]
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=_policy(statements))
        return str(created["Role"]["Arn"])

    def function(
        self, name: str, module: str, environment: Mapping[str, str], *, role: str = _ROLE
    ) -> str:
        """A Lambda function with the handler of a module that is installed here; its ARN."""
        return self.code(name, _HANDLER.format(module=module), environment, role=role)

    def code(
        self, name: str, source: str, environment: Mapping[str, str], *, role: str = _ROLE
    ) -> str:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("main.py", source)
        created = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler="main.handler",
            Code={"ZipFile": buffer.getvalue()},
            Timeout=30,
            MemorySize=512,
            Environment={"Variables": dict(environment)},
        )
        return str(created["FunctionArn"])

    def table(self, name: str) -> str:
        """Its ARN."""
        dynamo = self.client("dynamodb")
        created = dynamo.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        dynamo.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )
        return str(created["TableDescription"]["TableArn"])


@cache
def _session() -> Any:
    """One for all clients: each reads every service's endpoints, half a second."""
    import boto3

    return boto3.Session(ACCOUNT, "test", region_name=REGION)


def _policy(statements: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@contextmanager
def ministack(folder: Path, *, policies: bool = False) -> Iterator[Ministack]:
    """With `policies` a function may do what its role allows, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    with (folder / "ministack.log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("ministack")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(folder, port) | {"AUTH": str(policies).lower()},
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            yield Ministack(url)
        finally:
            # SIGTERM ends its functions' processes, too; SIGKILL would leave them behind.
            process.send_signal(signal.SIGTERM)
            process.wait(HANGS)


def _environment(folder: Path, port: int) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "PERSIST_STATE": "0",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "INFO",
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE")},
    }


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    def is_up() -> bool:
        if process.poll() is not None:
            raise RuntimeError("ministack does not start: see its log")
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/_ministack/health", timeout=HANGS).is_success
        return False

    until(is_up)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
