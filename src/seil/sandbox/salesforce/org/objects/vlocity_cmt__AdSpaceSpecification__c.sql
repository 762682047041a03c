WITH listed AS (
    SELECT
        product,
        unnest(range(1, below(product, 'ad spaces', 4) + 1)) AS position
    FROM range(1, $products + 1) AS products(product)
),

numbered AS (
    SELECT
        product,
        position,
        row_number() OVER (ORDER BY product, position) AS number
    FROM listed
)

SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'built'), 2)) AS created,
    chance(number, 'deleted', 0.02) AS deleted,
    one_of(number, 'device', ['WEB', 'APP', 'WEB', 'CTV', 'CTV', 'ALL'])
    || '_'
    || one_of(number, 'space', ['CTV_Hero', 'Home_Top', 'Sport_Mid', 'CTV_', 'News_Side', 'Live_CTV_Break'])
    || '_' || number AS "Name",
    CASE WHEN NOT chance(number, 'no product', 0.02) THEN product END AS vlocity_cmt__Product2Id__c,
    1 + below(number, 'server', 6) AS vlocity_cmt__AdServerId__c,
    'space/' || lpad(CAST(number AS VARCHAR), 7, '0') AS vlocity_cmt__AdServerAdSpaceIdentifier__c,
    'Ad Space' AS vlocity_cmt__Type__c,
    TRUE AS vlocity_cmt__IsActive__c
FROM numbered
