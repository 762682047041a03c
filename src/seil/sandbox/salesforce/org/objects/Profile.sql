SELECT
    number,
    TIMESTAMP '$start' AS created,
    list_extract(['System Administrator', 'Standard User', 'Sales', 'Ad Operations', 'Integration'], number) AS "Name",
    'Standard' AS "UserType"
FROM range(1, 6) AS numbers(number)
