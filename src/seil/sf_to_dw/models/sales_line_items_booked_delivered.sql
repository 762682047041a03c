WITH placements AS (
    SELECT
        id,
        name,
        vlocity_cmt__orderitemid__c,
        vlocity_cmt__quotelineitemid__c,
        vlocity_cmt__adserverorderidentifier__c,
        vlocity_cmt__adserverorderlineidentiifier__c,
        vlocity_cmt__userengagementgoalunit__c,
        vlocity_cmt__userengagementgoalunittype__c
    FROM salesforce.order_ad_placement
    WHERE isdeleted IS NOT TRUE
),

order_products AS (
    SELECT
        id,
        orderid,
        vlocity_cmt__itemname__c,
        vlocity_cmt__action__c
    FROM salesforce.order_product
    WHERE isdeleted IS NOT TRUE
),

orders AS (
    SELECT id
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

quote_line_items AS (
    SELECT
        id,
        vlocity_cmt__itemname__c
    FROM salesforce.quote_line_item
    WHERE isdeleted IS NOT TRUE
),

usage_records AS (
    SELECT
        id,
        gam_lineitemid__c,
        usage_date__c,
        ad_impression__c,
        ad_clicks__c
    FROM salesforce.usage
    WHERE isdeleted IS NOT TRUE
),

-- Without this, two usage records of one line and day would double the row.
daily_delivery AS (
    SELECT
        gam_lineitemid__c AS ad_server_line,
        BUSINESS_DATE(usage_date__c) AS delivery_date,
        CAST(SUM(ad_impression__c) AS BIGINT) AS delivered_impressions,
        CAST(SUM(ad_clicks__c) AS BIGINT) AS delivered_clicks,
        COUNT(id) AS usage_count
    FROM usage_records
    WHERE gam_lineitemid__c IS NOT NULL AND usage_date__c IS NOT NULL
    GROUP BY gam_lineitemid__c, BUSINESS_DATE(usage_date__c)
)

SELECT
    placements.id AS placement_id,
    daily_delivery.delivery_date,
    placements.name AS placement_name,
    order_products.id AS sales_order_line_item_id,
    placements.vlocity_cmt__orderitemid__c AS sales_order_line_item_reference,
    order_products.vlocity_cmt__itemname__c AS sales_order_line_item_name,
    orders.id AS sales_order_id,
    quote_line_items.id AS production_line_item_id,
    quote_line_items.vlocity_cmt__itemname__c AS production_line_item_name,
    placements.vlocity_cmt__adserverorderidentifier__c AS ad_server_order_identifier,
    placements.vlocity_cmt__adserverorderlineidentiifier__c AS ad_server_order_line_identifier,
    order_products.vlocity_cmt__action__c AS booked_actions,
    CASE
        WHEN UPPER(placements.vlocity_cmt__userengagementgoalunittype__c) LIKE 'IMPRESSION%'
            THEN CAST(placements.vlocity_cmt__userengagementgoalunit__c AS BIGINT)
    END AS booked_impressions,
    CASE
        WHEN UPPER(placements.vlocity_cmt__userengagementgoalunittype__c) LIKE 'CLICK%'
            THEN CAST(placements.vlocity_cmt__userengagementgoalunit__c AS BIGINT)
    END AS booked_clicks,
    daily_delivery.delivered_impressions,
    daily_delivery.delivered_clicks,
    COALESCE(daily_delivery.usage_count, 0) AS usage_count
FROM placements
LEFT JOIN order_products
    ON placements.vlocity_cmt__orderitemid__c = order_products.id
LEFT JOIN orders
    ON order_products.orderid = orders.id
LEFT JOIN quote_line_items
    ON placements.vlocity_cmt__quotelineitemid__c = quote_line_items.id
LEFT JOIN daily_delivery
    ON placements.vlocity_cmt__adserverorderlineidentiifier__c = daily_delivery.ad_server_line
