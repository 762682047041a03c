SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', share(number, 'uploaded')) AS created,
    FALSE AS deleted,
    'Billing extract ' || number AS "Title",
    'billing_' || number || '.csv' AS "PathOnClient",
    'CSV' AS "FileType",
    'csv' AS "FileExtension",
    '1' AS "VersionNumber",
    TRUE AS "IsLatest",
    100 + below(number, 'size', 100000) AS "ContentSize",
    1 + below(number, 'job', 60) AS "FirstPublishLocationId"
FROM range(1, 21) AS numbers(number)
