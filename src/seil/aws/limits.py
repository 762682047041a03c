"""AWS's limits on a function's time and payloads.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["LONGEST_BALANCED", "LONGEST_PAYLOAD", "length", "seconds_left"]

# Of a synchronous invoke, both ways: Function.ResponseSizeTooLarge, RequestTooLargeException.
LONGEST_PAYLOAD = 6 * 1024 * 1024
# Of the JSON that a function returns to a load balancer; over it callers get a bare 502.
LONGEST_BALANCED = 1_000_000


def length(payload: Any) -> int:
    """In bytes, as Lambda's runtime serialises it: JSON in ASCII."""
    return len(json.dumps(payload))


def seconds_left(context: Any, *, reserve: float = 0) -> float | None:
    """Until Lambda kills the function, less `reserve` for its work after a call; None: no limit.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None
    return max(0.0, float(remaining()) / 1000 - reserve)
