SELECT
    number,
    TIMESTAMP '$start' AS created,
    list_extract(['Standard Price Book', 'Digital Rate Card', 'Broadcast Rate Card'], number) AS "Name",
    TRUE AS "IsActive",
    number = 1 AS "IsStandard",
    FALSE AS "IsArchived"
FROM range(1, 4) AS numbers(number)
