-- Records of an object we know nothing of but its describe.
SELECT
    $before + position AS number,
    between_times(TIMESTAMP '$since', TIMESTAMP '$until', share($before + position, 'made')) AS created,
    chance($before + position, 'deleted', 0.015) AS deleted
FROM range(1, $rows + 1) AS numbers(position)
