"""What the table of requests keeps of long answers."""

from __future__ import annotations

import random
from uuid import uuid4

import pytest
from tests.ministack import Ministack

from seil.api.calls import Answer
from seil.api.services.idempotency import KeyState
from seil.aws.idempotency import DynamoStore

NOISE = random.Random(1).randbytes(400_000).hex()


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [("short", True), ("é" * 2_000_000, True), (NOISE[:600_000], True), (NOISE, False)],
    ids=["short", "long", "as-long-as-can-be", "too-long"],
)
def test_answer_that_was_settled_is_given_again_however_long(
    aws: Ministack, text: str, is_kept: bool
) -> None:
    """An item of DynamoDB has 400 KB; what does not fit was done all the same."""
    table = f"requests-{uuid4().hex}"
    aws.table(table)
    store = DynamoStore(table, lambda: aws.client("dynamodb"))
    answer = Answer(200, {"proposalLineitems": [{"id": 1, "name": text}]})
    store.claim("key", "mark", lease=60)
    store.settle("key", answer)

    claim = store.claim("key", "mark", lease=60)
    assert claim.state is KeyState.DONE
    assert claim.answer is not None
    if is_kept:
        assert claim.answer == answer
    else:
        assert claim.answer.errors[0].code == "EC50208"
        assert "It was done: do not repeat it, read" in claim.answer.errors[0].message
