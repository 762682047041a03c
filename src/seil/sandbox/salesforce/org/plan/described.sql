SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', share(number, 'made')) AS created,
    chance(number, 'deleted', 0.015) AS deleted
FROM range(1, $rows + 1) AS numbers(number)
