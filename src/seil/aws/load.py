"""The function that loads curated files and builds: `file-ingestion` events, from a queue."""

from __future__ import annotations

from seil.app.handlers import handle_curated
from seil.aws.queue import QueueFunction

handler = QueueFunction(lambda site, events, stop: handle_curated(site, events, stop=stop))
