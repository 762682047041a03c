SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', share(number, 'made')) AS created,
    number = 12 AS deleted,
    odd_text(number, 'name', 80) AS "Name",
    odd_text(number, 'custom', 80) AS "CustomField__c"
FROM range(1, 13) AS numbers(number)
