"""boto3's clients, as SEIL uses them: short timeouts, few attempts.

Building one is not thread-safe, and takes a tenth of a second: keep it.
"""

from __future__ import annotations

from typing import Any

from seil.extras import requires

__all__ = ["aws_client"]


def aws_client(service: str) -> Any:
    """Raises MissingExtraError."""
    with requires("aws"):
        import boto3
        from botocore.config import Config

        return boto3.client(  # type: ignore[call-overload]
            service,
            config=Config(
                connect_timeout=2,
                read_timeout=3,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        )
