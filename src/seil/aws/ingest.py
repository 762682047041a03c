"""The function that takes landed files in: S3's `Object Created` events, from a queue."""

from __future__ import annotations

from seil.app.handlers import handle_landed
from seil.aws.queue import QueueFunction

handler = QueueFunction(lambda site, events, stop: handle_landed(site, events, stop=stop))
