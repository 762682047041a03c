"""What AWS gives a function: so much time, and so long an answer.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LONGEST_BALANCED", "LONGEST_PAYLOAD", "length", "seconds_left"]

# Of a synchronous invoke, in and out: Function.ResponseSizeTooLarge, RequestTooLargeException.
LONGEST_PAYLOAD = 6 * 1024 * 1024
# Of the whole JSON that a function hands to a load balancer; over it callers get a bare 502.
LONGEST_BALANCED = 1_000_000


def length(payload: Any) -> int:
    """Of the payload as Lambda's runtime writes it: as JSON, and mostly in ASCII."""
    return len(json.dumps(payload))


def seconds_left(context: Any, *, reserve: float = 0) -> float | None:
    """Until the function is killed, less what its own work after a call takes; None: no limit.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None
    return max(0.0, float(remaining()) / 1000 - reserve)
