"""The catalogs that published tables are committed to, by URL.

A folder is a catalog in itself: SQLite and the files, no server. `https://...` is a REST catalog,
`glue:<region>` AWS Glue, `sql:<SQLAlchemy URL>` a database.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import requests
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    ForbiddenError,
    NamespaceAlreadyExistsError,
    NoSuchIdentifierError,
    NoSuchNamespaceError,
    NoSuchTableError,
    NotInstalledError,
    RESTError,
    SignError,
    TableAlreadyExistsError,
    UnauthorizedError,
)
from pyiceberg.table import CommitTableRequest, TableIdentifier
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from seil.errors import IcebergError
from seil.iceberg import CATALOG_FILE
from seil.iceberg.data_files import local_path
from seil.masking import mask

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

    from seil.iceberg.snapshot import StagedCommit
    from seil.settings import PublishSettings

_SERVER_ERROR = 500
# Seconds to connect, and between two parts of an answer.
_PATIENCE = (10, 60)
_POINTER = "version-hint.text"
# Readers take a table's location as a URL without escapes: what follows these would be lost.
_SIGNS_OF_URLS = frozenset("#?%")
_TRANSACTIONS = "POST /v1/{prefix}/transactions/commit"


def _aws_errors() -> tuple[type[Exception], ...]:
    """Of Glue and S3, where their client is installed."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        return ()
    return BotoCoreError, ClientError


# Nothing was committed.
_REFUSALS: tuple[type[Exception], ...] = (
    BadRequestError,
    UnauthorizedError,
    ForbiddenError,
    NoSuchIdentifierError,
    NoSuchNamespaceError,
    NotImplementedError,
    NotInstalledError,
    SignError,
)
# Whether a commit has landed is unknown.
_DOUBTS: tuple[type[Exception], ...] = (
    RESTError,
    requests.RequestException,
    SQLAlchemyError,
    OSError,
    ValueError,
    *_aws_errors(),
)
_CONFLICTS: tuple[type[Exception], ...] = (CommitFailedException, NoSuchTableError)
_FAULTS: tuple[type[Exception], ...] = (*_REFUSALS, *_DOUBTS, *_CONFLICTS)
# One metadata file a commit would stay for good.
_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
    "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read",
    "write.merge.mode": "merge-on-read",
}


class CommitRefusedError(Exception):
    """The table was changed or dropped since the commit was staged: nothing was committed."""


class CommitDoubtError(Exception):
    """The answer was lost: whether the commit is in the table is unknown."""


class _RestCatalog(RestCatalog):
    """Waits for no answer for ever, as the session that it comes with does."""

    def _create_session(self) -> requests.Session:
        session: requests.Session = super()._create_session()
        session.request = partial(session.request, timeout=_PATIENCE)  # type: ignore[method-assign]
        return session

    @property
    def moves_together(self) -> bool:
        return any(str(endpoint) == _TRANSACTIONS for endpoint in self._supported_endpoints)

    def commit_together(self, changes: Sequence[CommitTableRequest]) -> requests.Response:
        body = [change.model_dump(mode="json", by_alias=True) for change in changes]
        answer: requests.Response = self._session.post(
            self.url("transactions/commit"), json={"table-changes": body}
        )
        return answer


class IcebergCatalog:
    """Raises IcebergError for every error of the catalog or its store.

    `secrets` are masked in what they say.
    """

    def __init__(
        self, url: str, catalog: Catalog, *, is_folder: bool = False, secrets: Sequence[str] = ()
    ) -> None:
        self.url = url
        self._catalog = catalog
        self._is_folder = is_folder
        self._secrets = secrets

    def close(self) -> None:
        self._catalog.close()

    @property
    def moves_together(self) -> bool:
        """Whether several tables can be committed at one moment."""
        return isinstance(self._catalog, _RestCatalog) and self._catalog.moves_together

    def find(self, identifier: tuple[str, str]) -> Table | None:
        with self.translated(".".join(identifier)):
            try:
                return self._catalog.load_table(identifier)
            except (NoSuchTableError, NoSuchNamespaceError):
                return None

    def create(self, identifier: tuple[str, str], schema: Schema, comment: str) -> Table:
        """Without rows, and without a snapshot."""
        with self.translated(".".join(identifier)):
            with suppress(NamespaceAlreadyExistsError):
                self._catalog.create_namespace(identifier[0])
            try:
                properties = {**_PROPERTIES, **({"comment": comment} if comment else {})}
                return self._catalog.create_table(identifier, schema, properties=properties)
            except TableAlreadyExistsError:
                return self._catalog.load_table(identifier)

    def commit(self, staged: StagedCommit) -> None:
        """Raises CommitRefusedError and CommitDoubtError."""
        try:
            self._catalog.commit_table(staged.table, staged.requirements, staged.updates)
        except _CONFLICTS as error:
            raise CommitRefusedError(_reason(error, self._secrets)) from error
        except _REFUSALS as error:
            raise self._error(".".join(staged.table.name()), error) from error
        except _DOUBTS as error:
            raise CommitDoubtError(_reason(error, self._secrets)) from error
        self.point(staged.table)

    def commit_together(self, staged: Sequence[StagedCommit]) -> None:
        """All or none. Raises CommitRefusedError and CommitDoubtError."""
        assert isinstance(self._catalog, _RestCatalog)  # noqa: S101
        try:
            answer = self._catalog.commit_together([_change(one) for one in staged])
        except requests.RequestException as error:
            raise CommitDoubtError(_reason(error, self._secrets)) from error
        if answer.status_code in (requests.codes.conflict, requests.codes.not_found):
            raise CommitRefusedError(_first_line(answer.text, self._secrets))
        if answer.status_code >= _SERVER_ERROR:
            raise CommitDoubtError(f"it answered {answer.status_code}")
        if not answer.ok:
            text = _first_line(answer.text, self._secrets)
            reason = f"it answered {answer.status_code}: {text}"
            raise IcebergError(self.url, reason)

    def point(self, table: Table) -> None:
        """In a folder, leaves the name of the current metadata for readers without a catalog."""
        if not self._is_folder:
            return
        current = self.find((table.name()[0], table.name()[1]))
        file = local_path(current.metadata_location) if current else None
        if file is None:
            return
        hint = file.with_name(_POINTER)
        name = file.name.removesuffix(".metadata.json")
        with self.translated(str(hint)):
            if not hint.exists() or hint.read_text("utf-8") != name:
                part = hint.with_name(f"{_POINTER}.{uuid4().hex}")
                part.write_text(name, "utf-8")
                part.replace(hint)

    @contextmanager
    def translated(self, place: str) -> Iterator[None]:
        """Errors of the catalog and of the table's files as IcebergError."""
        try:
            yield
        except _FAULTS as error:
            raise self._error(place, error) from error

    def _error(self, place: str, error: Exception) -> IcebergError:
        hint = "`seil doctor` tries the catalog; the next run publishes again"
        return IcebergError(f"{place} in {self.url}", _reason(error, self._secrets), hint=hint)


def open_catalog(settings: PublishSettings, url: str, *, creates: bool = True) -> IcebergCatalog:
    """Not `creates`: a folder must be a catalog already. Raises IcebergError, and
    ConfigurationError for a secret that cannot be read.
    """
    place = mask(url)
    values = _secrets(settings)
    options = {**settings.options, **values}
    password = settings.password.reveal() if settings.password is not None else ""
    secrets = _texts_to_mask([*values.values(), password])
    try:
        if url.startswith("file:"):
            catalog: Catalog = _folder(url, options, creates=creates)
            return IcebergCatalog(url, catalog, is_folder=True, secrets=secrets)
        return IcebergCatalog(
            place, _server_catalog(settings, url, options, password), secrets=secrets
        )
    except _FAULTS as error:
        hint = "Check [publish] catalog; `seil doctor` tries it"
        raise IcebergError(place, _reason(error, secrets), hint=hint) from error


def _server_catalog(
    settings: PublishSettings, url: str, options: dict[str, str], password: str
) -> Catalog:
    scheme, _, rest = url.partition(":")
    if scheme in ("http", "https"):
        return _RestCatalog("seil", **_rest(settings, url, options))
    location = {"warehouse": settings.warehouse} if settings.warehouse else {}
    if scheme == "glue":
        region = {"glue.region": rest} if rest else {}
        return load_catalog("seil", type="glue", **region, **location, **options)
    uri = make_url(rest)
    if password:
        uri = uri.set(password=password)
    full_uri = uri.render_as_string(hide_password=False)
    return load_catalog("seil", type="sql", uri=full_uri, **location, **options)


def _folder(url: str, options: dict[str, str], *, creates: bool) -> Catalog:
    folder = Path(unquote(urlsplit(url).path))
    if signs := sorted(_SIGNS_OF_URLS & set(str(folder))):
        hint = "Publish to a folder without them"
        raise IcebergError(str(folder), f"has {' '.join(signs)} in its name", hint=hint)
    if creates:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # Fails where the folder is closed to us, before anything is read.
    elif not (folder / CATALOG_FILE).is_file():
        hint = f"`seil publish iceberg {folder}` publishes there"
        raise IcebergError(str(folder), "has no published tables", hint=hint)
    places = {"uri": f"sqlite:///{folder / CATALOG_FILE}", "warehouse": f"file://{folder}"}
    return load_catalog("seil", type="sql", **places, **options)


def _rest(settings: PublishSettings, url: str, options: dict[str, str]) -> dict[str, str]:
    values = {"uri": url, "warehouse": settings.warehouse, **options}
    if settings.signing:
        values |= {
            "rest.sigv4-enabled": "true",
            "rest.signing-name": settings.signing,
            "rest.signing-region": settings.region,
        }
    return {name: value for name, value in values.items() if value}


def _secrets(settings: PublishSettings) -> dict[str, str]:
    """Pyiceberg's names of those that are set."""
    fields = {
        "token": settings.token,
        "credential": settings.credential,
        "s3.secret-access-key": settings.s3_secret_access_key,
    }
    secrets = settings.secrets | {n: value for n, value in fields.items() if value is not None}
    return {name: secret.reveal() for name, secret in secrets.items()}


def _texts_to_mask(values: Sequence[str]) -> list[str]:
    """What no message may show, the longest first: values, and the secrets of `id:secret`."""
    parts = [value.partition(":")[2] for value in values]
    return sorted(filter(None, [*values, *parts]), key=len, reverse=True)


def _change(staged: StagedCommit) -> CommitTableRequest:
    namespace, name = staged.table.name()[:-1], staged.table.name()[-1]
    return CommitTableRequest(
        identifier=TableIdentifier(namespace=namespace, name=name),
        requirements=staged.requirements,
        updates=staged.updates,
    )


def _reason(error: Exception, secrets: Sequence[str]) -> str:
    return _first_line(str(error) or type(error).__name__, secrets)


def _first_line(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "****")
    return mask(text).strip().partition("\n")[0][:300]
