"""The last winner of each chain of merged records, from the CTE `merged` of single merges."""

from __future__ import annotations

from seil.warehouse.sql import Sql, compose, join

# Longer than any real chain of merges; also ends a cycle.
_LONGEST_CHAIN = 100
_LONGEST_JOINED = 10


def recursive_winners() -> Sql:
    """The rest of a WITH RECURSIVE."""
    return compose(
        """
        chains AS (
            SELECT object, loser_id, winner_id, merged_at, 1 AS steps FROM merged
            UNION ALL
            SELECT c.object, c.loser_id, m.winner_id, c.merged_at, c.steps + 1
            FROM chains AS c JOIN merged AS m ON m.object = c.object AND m.loser_id = c.winner_id
            WHERE c.steps < {longest}
        ), placed AS (
            SELECT *, row_number() OVER (PARTITION BY object, loser_id ORDER BY steps DESC) AS place
            FROM chains
        )
        SELECT object, loser_id, winner_id, merged_at FROM placed WHERE place = 1""",
        longest=_LONGEST_CHAIN,
    )


def joined_winners() -> Sql:
    """The rest of a WITH, for an engine without recursion: of up to _LONGEST_JOINED merges."""
    numbers = range(1, _LONGEST_JOINED)
    joins = (
        compose(
            "LEFT JOIN merged AS {next} ON {next}.object = m.object"
            " AND {next}.loser_id = {last}.winner_id",
            next=Sql(f"w{number}"),
            last=Sql(f"w{number - 1}" if number > 1 else "m"),
        )
        for number in numbers
    )
    winners = [Sql(f"w{number}.winner_id") for number in reversed(numbers)]
    return compose(
        """
        chains AS (
            SELECT m.object, m.loser_id, coalesce({winners}, m.winner_id) AS winner_id, m.merged_at
            FROM merged AS m {joins}
        )
        SELECT object, loser_id, winner_id, merged_at FROM chains""",
        winners=join(", ", winners),
        joins=join(" ", joins),
    )
