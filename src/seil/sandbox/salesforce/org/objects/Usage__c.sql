-- A day's delivery on an ad-server line. One in a hundred is reported in two records; a few belong
-- to a line nobody knows.
WITH listed AS (
    SELECT
        placement.*,
        unnest(range(1, placement.days + 1)) AS day
    FROM placement
    WHERE placement.days > 0
),

numbered AS (
    SELECT
        *,
        $Usage__c + days_before + day AS usage_number
    FROM listed
),

dated AS (
    SELECT
        *,
        CASE
            WHEN day > 1 AND chance(usage_number, 'second record', 0.01) THEN start_date + CAST(day - 2 AS INTEGER)
            ELSE start_date + CAST(day - 1 AS INTEGER)
        END AS usage_date
    FROM numbered
)

SELECT
    usage_number AS number,
    least(TIMESTAMP '$until', greatest(created, local_time(usage_date) + INTERVAL 1 HOUR)) AS created,
    chance(usage_number, 'deleted', 0.01) AS deleted,
    'U-' || lpad(CAST(usage_number AS VARCHAR), 9, '0') AS "Name",
    CASE
        WHEN chance(usage_number, 'unknown line', 0.003) THEN CAST(9000000000 + usage_number AS VARCHAR)
        ELSE CAST(ad_line AS VARCHAR)
    END AS "GAM_LineItemID__c",
    usage_date AS "Usage_Date__c",
    CASE WHEN NOT chance(usage_number, 'no figures', 0.02) THEN below(usage_number, 'impressions', 50000) END AS "Ad_Impression__c",
    CASE WHEN NOT chance(usage_number, 'no figures', 0.02) THEN below(usage_number, 'clicks', 200) END AS "Ad_Clicks__c",
    order_line AS "Order_Product__c",
    order_number AS "Order__c",
    'IMPRESSIONS' AS "Unit_Type__c"
FROM dated
