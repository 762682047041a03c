SELECT
    number,
    TIMESTAMP '$start' AS created,
    number = 24 AS deleted,
    list_extract(
        ['Leaderboard', 'Medium Rectangle', 'Half Page', 'Billboard', 'Skyscraper', 'Mobile Banner', 'Video 15', 'Video 30', 'Video 6', 'Video no size', 'Video no length', 'Audio 30', 'Full Page', 'Native', 'Zero', 'Rounded', 'Gutter', 'TV 60', 'Portrait', 'Video square', 'Takeover', 'Bumper', 'Unsized', 'Retired'],
        number
    ) AS "Name",
    list_extract(
        ['Digital Banner', 'Digital Banner', 'Digital Banner', 'Digital Banner', 'Digital Banner', 'Digital Banner', 'Digital Video', 'Digital Video', 'Digital Video', 'Digital Video', 'Digital Video', 'Radio', 'Print', 'Digital Banner', 'Digital Banner', 'Digital Banner', 'Digital Banner', 'TV', 'Digital Banner', 'Digital Video', NULL, 'Digital Video', 'Outdoor', 'Digital Banner'],
        number
    ) AS vlocity_cmt__MediaType__c,
    CAST(list_extract([728, 300, 300, 970, 160, 320, 640, 1920, 640, NULL, 1280, NULL, 210, 0, 0, 299.6, 120.49, NULL, 300, 1080, 1800, 640, NULL, 468], number) AS DECIMAL(18, 2)) AS vlocity_cmt__Width__c,
    CAST(list_extract([90, 250, 600, 250, 600, 50, 360, 1080, 360, NULL, 720, NULL, 297, 0, 250, 249.5, 600.51, NULL, 0, 1080, 1000, 0, NULL, 60], number) AS DECIMAL(18, 2)) AS vlocity_cmt__Height__c,
    CAST(list_extract([NULL, NULL, NULL, NULL, 0, NULL, 15, 30, 6, 15, 0, 30, NULL, NULL, NULL, NULL, NULL, 60, NULL, 14.6, NULL, 6, NULL, NULL], number) AS DECIMAL(18, 2)) AS vlocity_cmt__RunTime__c,
    CASE WHEN number IN (13) THEN 'mm' ELSE 'Pixels' END AS vlocity_cmt__UnitOfMeasure__c
FROM range(1, 25) AS numbers(number)
