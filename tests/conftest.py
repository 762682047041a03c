from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.certificates import self_signed
from tests.examples import examples
from tests.ministack import Ministack, ministack
from tests.shared import build_once

from seil.observe.logs import unconfigure

# Slow example generation says nothing about the code.
settings.register_profile(
    "any machine",
    deadline=None,
    max_examples=examples(100, many=500),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores SIGINT for its background jobs; commands under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Started first, because each would otherwise run alone at the end.
LONGEST = ("tests/kill/", "tests/cli/test_demo.py", "tests/upgrade/", "tests/test_end_to_end.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Where the processes of a run collect every test, each begins with its share of the modules:
    the first import of one rewrites its assertions, which takes longer than all else, for all.
    """
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if number and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        tests = Path(__file__).parent
        modules = sorted(path.relative_to(tests.parent) for path in tests.rglob("test_*.py"))
        for module in modules[int(number) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
            with suppress(Exception):  # Reported when it is collected.
                importlib.import_module(".".join(module.with_suffix("").parts))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by_hand = "many" in config.option.markexpr
    left_out = set() if by_hand else {item for item in items if _is_dear(item)}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
    rest = [item for item in items if item not in left_out]
    items[:] = sorted(rest, key=lambda item: not item.nodeid.startswith(LONGEST))


def _is_dear(item: pytest.Item) -> bool:
    """On Spark each case takes seconds: those are run by hand, by `-m "spark and many"`."""
    return bool(item.get_closest_marker("spark") and item.get_closest_marker("many"))


@pytest.fixture(autouse=True)
def logging_as_it_starts() -> Iterator[None]:
    """Undoes the logging setup of commands that tests and wider fixtures run in this process."""
    unconfigure()
    yield
    unconfigure()
    logging.captureWarnings(capture=False)


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All that this process and its children trust, unless a test names others: httpx reads the
    whole list for every client, and takes longer than most requests.
    """
    file = tmp_path_factory.mktemp("authority") / "authority.crt"
    file.write_bytes(self_signed("authority.test")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An org to copy: generating one takes seconds, whatever its size."""

    def make(folder: Path) -> None:
        from seil.sandbox.salesforce.generator import generate

        generate(folder, orders=30, seed=5).close()

    return build_once(tmp_path_factory, "generated", make)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """An S3 server with the bucket `lake`."""
    with ministack(tmp_path_factory.mktemp("s3")) as server:
        server.bucket("lake")
        yield server


@pytest.fixture
def s3_url(s3: Ministack, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix; child processes of a test can reach it, too."""
    for name, value in {**s3.environment, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    return f"s3://lake/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Starts Spark, which later sessions of this process share; for tests marked `spark`."""
    from tests.spark import require_spark, spark_settings

    require_spark()
    from seil.warehouse.spark.session import open_session

    open_session(spark_settings(tmp_path_factory.mktemp("spark")))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("SEIL_"):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
