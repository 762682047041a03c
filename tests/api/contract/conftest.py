from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.api.contract.booking import Body, Caller, FarEnd, Levers
from tests.api.contract.issuers import Issuer, issuing
from tests.api.deployments import Deployment, StandIns, deployed, stand_ins


@pytest.fixture(scope="session")
def far_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIns]:
    with stand_ins(tmp_path_factory.mktemp("stand-ins")) as servers:
        yield servers


@pytest.fixture(scope="session")
def one_process(
    far_ends: StandIns, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    with deployed("one-process", tmp_path_factory.mktemp("api"), far_ends) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def aws(far_ends: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed("aws", tmp_path_factory.mktemp("api"), far_ends) as deployment:
        yield deployment


@pytest.fixture(
    scope="session", params=["one_process", pytest.param("aws", marks=pytest.mark.matrix)]
)
def running(request: pytest.FixtureRequest) -> Deployment:
    """Each of the two ways to run the API."""
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment


@pytest.fixture(scope="session")
def caller(running: Deployment) -> Caller:
    return Caller(running)


@pytest.fixture(scope="session")
def local(one_process: Deployment) -> Caller:
    return Caller(one_process)


@pytest.fixture(scope="session")
def document(one_process: Deployment) -> Body:
    """OpenAPI's."""
    body: Body = one_process.request("GET", "/openapi.json").json()
    return body


@pytest.fixture
def gam(far_ends: StandIns) -> FarEnd:
    return FarEnd(far_ends.key_file.parent)


@pytest.fixture(scope="session")
def all_levers(far_ends: StandIns) -> Iterator[Levers]:
    with closing(Levers(far_ends)) as levers:
        yield levers


@pytest.fixture
def levers(all_levers: Levers) -> Iterator[Levers]:
    """After a test the faults it ordered are gone."""
    yield all_levers
    all_levers.clear()


@pytest.fixture(scope="session")
def forger() -> rsa.RSAPrivateKey:
    """A key that no issuer has told of."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def issuer(forger: rsa.RSAPrivateKey) -> Iterator[Issuer]:
    with issuing(forger) as server:
        yield server
