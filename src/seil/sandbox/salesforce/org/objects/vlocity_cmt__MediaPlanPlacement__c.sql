WITH listed AS (
    SELECT
        line.*,
        unnest(range(1, line.plans + 1)) AS position_in_line
    FROM line
    WHERE line.plans > 0
),

numbered AS (
    SELECT
        *,
        $vlocity_cmt__MediaPlanPlacement__c + plans_before + position_in_line AS number
    FROM listed
)

SELECT
    numbered.number,
    quote_line_created AS created,
    quote_line_deleted OR chance(numbered.number, 'plan deleted', 0.004) AS deleted,
    gone_at,
    quote_line AS vlocity_cmt__QuoteLineItemId__c,
    quote AS vlocity_cmt__QuoteId__c,
    product.ad_space AS vlocity_cmt__AdSpaceSpecificationId__c,
    left('Plan ' || position_in_line || ' of ' || product.name, 80) AS "Name",
    left(product.name, 100) AS "SWM_Product_Name__c",
    product.code AS vlocity_cmt__QuoteLineItemProductCode__c,
    units AS vlocity_cmt__QuoteLineItemQuantity__c,
    unit_price AS vlocity_cmt__QuoteLineItemOneTimeCharge__c,
    unit_price * units AS vlocity_cmt__QuoteLineItemOneTimeTotal__c,
    unit_price AS "SWM_Gross_Unit_Cost__c",
    market_price AS "SWM_Market_Price__c",
    local_time(start_date) AS vlocity_cmt__AdRequestedStartDate__c,
    local_time(CAST(end_date AS TIMESTAMP) + INTERVAL '23:59:59') AS vlocity_cmt__AdRequestedEndDate__c,
    one_of(numbered.number, 'status', ['Draft', 'Held', 'Booked', 'Booked', 'Released']) AS "SWM_Status__c",
    'Digital' AS vlocity_cmt__MediaType__c,
    'IMPRESSIONS' AS vlocity_cmt__UserEngagementGoalUnitType__c,
    units * 1000 AS vlocity_cmt__UserEngagementGoalUnit__c
FROM numbered
INNER JOIN pick_product AS product ON numbered.product = product.pick
