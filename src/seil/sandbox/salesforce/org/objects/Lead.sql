SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', share(number, 'found')) AS created,
    chance(number, 'deleted', 0.02) AS deleted,
    concat_ws(' ', 'Lead', number) AS "Name",
    CAST(number AS VARCHAR) AS "LastName",
    'Lead' AS "FirstName",
    odd_text(number, 'company', 255) AS "Company",
    one_of(number, 'status', ['Open - Not Contacted', 'Working - Contacted', 'Closed - Not Converted']) AS "Status",
    FALSE AS "IsConverted"
FROM range(1, $leads + 1) AS numbers(number)
