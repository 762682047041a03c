from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.deployments import running_stand_ins
from tests.ministack import Ministack, ministack

__all__ = ["running_stand_ins"]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """An AWS with nothing in it."""
    with ministack(tmp_path_factory.mktemp("aws")) as found:
        yield found


@pytest.fixture
def aws_environment(aws: Ministack, monkeypatch: pytest.MonkeyPatch) -> Ministack:
    """boto3's own clients reach it."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return aws
