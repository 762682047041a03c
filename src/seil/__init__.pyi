from seil.app.events import publish as publish
from seil.app.queries import query as query
from seil.app.site import Site as Site
from seil.app.site import open_site as open_site
from seil.app.status import site_status as status
from seil.app.steps import run as run
from seil.errors import SeilError as SeilError
from seil.events.envelope import Event as Event

__version__: str
__all__ = [
    "Event",
    "SeilError",
    "Site",
    "__version__",
    "open_site",
    "publish",
    "query",
    "run",
    "status",
]
