"""The stand-in org, put together."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from typing_extensions import override

from seil.sandbox.base.faults import FaultTable
from seil.sandbox.base.listening import PortListener, StandIn
from seil.sandbox.salesforce.auth import Logins
from seil.sandbox.salesforce.billing import BillingExtracts
from seil.sandbox.salesforce.bulk_v1 import BulkV1
from seil.sandbox.salesforce.composite import Composite
from seil.sandbox.salesforce.control import OrgControl
from seil.sandbox.salesforce.describe import Describe
from seil.sandbox.salesforce.extras import Files, UsageSummaries
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.frame import OrgFrame
from seil.sandbox.salesforce.identity import IdentityRoutes
from seil.sandbox.salesforce.ingest_jobs import IngestJobs
from seil.sandbox.salesforce.jobs import JobWorkers
from seil.sandbox.salesforce.keys import authority_and_certificate, certificate, key_pair
from seil.sandbox.salesforce.messages import OrgRouter
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.query import Queries
from seil.sandbox.salesforce.query_jobs import QueryJobs
from seil.sandbox.salesforce.record_ids import record_id
from seil.sandbox.salesforce.record_routes import RecordRoutes
from seil.sandbox.salesforce.records import OrgRecords
from seil.sandbox.salesforce.state import ServiceState
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.subrequests import Subrequests
from seil.sandbox.salesforce.tree import Tree
from seil.sandbox.salesforce.usage import Usage

if TYPE_CHECKING:
    from seil.sandbox.salesforce.pubsub.platform_events import PlatformEvents
    from seil.sandbox.salesforce.pubsub.service import PubSubServer

_LONGEST_LINE = 1 << 20
_USER = record_id("005", 1)


class OrgServer(StandIn["_Parts", OrgOptions, OrgFault]):
    """Serves a folder's org over HTTP, and resumes its jobs."""

    name = "sandbox-salesforce"

    @classmethod
    @override
    def default_options(cls) -> OrgOptions:
        return OrgOptions()

    @property
    @override
    def url(self) -> str:
        scheme = "https" if self.options.tls else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def jwt_key(self) -> Path:
        """The private key that JWT logins can be tried with."""
        return self.folder / "jwt.key"

    @property
    def pubsub_address(self) -> str:
        """host:port of the Pub/Sub API in plaintext."""
        return f"{self.host}:{self._pubsub.port}"

    @property
    def pubsub_tls_address(self) -> str:
        return f"{self.host}:{self._pubsub.tls_port}"

    @property
    def pubsub_ca(self) -> Path:
        """The certificate of the CA to trust at the TLS port."""
        return authority_and_certificate(self.folder, self.host)[0]

    @property
    def _pubsub(self) -> PubSubServer:
        if self._parts is None or self._parts.pubsub is None:
            raise RuntimeError("The server has no Pub/Sub API, or does not run")
        return self._parts.pubsub

    @override
    def _open(self) -> _Parts:
        return _Parts(self.folder, self.options, self.faults, host=self.host)

    @override
    def _listen(self, listener: PortListener, app: web.Application) -> None:
        # What is too long for the real service is answered by our own frame, as it does.
        listener.start(app, self.name, tls=self._tls(), longest_line=_LONGEST_LINE)

    def _tls(self) -> ssl.SSLContext | None:
        if not self.options.tls:
            return None
        chain, key = certificate(self.folder, self.host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        return context


class _Parts:
    """The parts of a running server, in the order of opening."""

    def __init__(
        self, folder: Path, options: OrgOptions, faults: FaultTable[OrgFault], *, host: str
    ) -> None:
        self._folder = folder
        self._host = host
        self.pubsub: PubSubServer | None = None
        self.store = OrgStore.open(folder)
        try:
            self.state = ServiceState(folder / "service.sqlite")
        except BaseException:
            self.store.close()
            raise
        public_key = options.public_key or key_pair(folder)
        self.logins = Logins(self.state, options, public_key=public_key, user_id=_USER)
        self.usage = Usage(self.state, options)
        self.workers = JobWorkers()
        records = OrgRecords(self.store, user_id=_USER)
        self.queries = Queries(self.store, self.state, options, folder / "queries")
        files = Files(self.store, records, folder / "files")
        self.billing = BillingExtracts(records, files)
        describe = Describe(self.store, identity_path=self.logins.identity_path)
        subrequests = Subrequests()
        self.query_jobs = QueryJobs(
            self.store,
            self.state,
            self.usage,
            self.workers,
            options=options,
            folder=folder / "jobs",
            user_id=_USER,
        )
        self.ingest_jobs = IngestJobs(
            self.store,
            self.state,
            self.usage,
            self.workers,
            options=options,
            folder=folder / "jobs",
            user_id=_USER,
            records=records,
        )
        events = self._open_events(options, faults) if options.pubsub else None
        if events:
            self.billing.published = events.publish_extract
        resources = (
            *((events,) if events else ()),
            self.logins,
            IdentityRoutes(self.store, self.logins),
            BulkV1(self.logins),
            OrgControl(self.store, self.usage, describe, faults),
            UsageSummaries(),
            files,
            self.billing,
            describe,
            self.usage,
            self.queries,
            Composite(self.store, subrequests),
            Tree(self.store, records),
            self.query_jobs,
            self.ingest_jobs,
            RecordRoutes(self.store, records, self.queries),
        )
        router = OrgRouter(route for resource in resources for route in resource.routes())
        subrequests.use(router)
        self.frame = OrgFrame(
            router,
            self.logins,
            self.usage,
            faults,
            expire_jobs=self.query_jobs.forget_all,
            clock=options.clock,
        )

    def application(self) -> web.Application:
        return self.frame.application()

    def _open_events(self, options: OrgOptions, faults: FaultTable[OrgFault]) -> PlatformEvents:
        # gRPC takes long to import.
        from seil.sandbox.salesforce.pubsub.capture import ChangeCapture
        from seil.sandbox.salesforce.pubsub.event_log import EventLog
        from seil.sandbox.salesforce.pubsub.platform_events import PlatformEvents
        from seil.sandbox.salesforce.pubsub.service import EventBus, PubSubServer

        log = EventLog(self.store)
        log.prune(options.clock())
        objects = options.pubsub.objects if options.pubsub else ()
        capture = ChangeCapture(
            self.store, log, user_id=_USER, clock=options.clock, objects=objects
        )
        self.store.record_changes(capture)
        bus = EventBus(self.store, log, capture, self.logins, self.usage, options, faults)
        self.pubsub = PubSubServer(bus, self._host)
        return PlatformEvents(log, user_id=_USER, clock=options.clock)

    def start(self) -> None:
        if self.pubsub:
            _, chain, key = authority_and_certificate(self._folder, self._host)
            self.pubsub.start(chain, key)
        self.queries.expire()
        self.query_jobs.resume()
        self.ingest_jobs.resume()

    def close(self) -> None:
        if self.pubsub:
            self.pubsub.stop()
        self.workers.stop()
        self.frame.close()
        self.state.close()
        self.store.close()
