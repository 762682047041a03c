WITH ad_order_items AS (
    SELECT
        id,
        name,
        orderitemid,
        quotelineitemid,
        adserverorderidentifier,
        adserverorderlineidentifier,
        production_system__c,
        swm_status__c,
        createddate,
        lastmodifieddate
    FROM salesforce.ad_order_item
    WHERE isdeleted IS NOT TRUE
),

order_products AS (
    SELECT
        id,
        orderid,
        quotelineitemid,
        vlocity_cmt__itemname__c
    FROM salesforce.order_product
    WHERE isdeleted IS NOT TRUE
),

orders AS (
    SELECT id
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

placements AS (
    SELECT
        id,
        name,
        vlocity_cmt__orderitemid__c,
        vlocity_cmt__quotelineitemid__c,
        vlocity_cmt__adserverorderidentifier__c,
        vlocity_cmt__adserverorderlineidentiifier__c,
        production_system__c,
        createddate
    FROM salesforce.order_ad_placement
    WHERE isdeleted IS NOT TRUE
),

quote_line_items AS (
    SELECT
        id,
        vlocity_cmt__itemname__c
    FROM salesforce.quote_line_item
    WHERE isdeleted IS NOT TRUE
),

-- The placement on the item's ad-server line: of several the newest. One on another line, or on none,
-- is another item's, unless the order product has no other.
ranked_placements AS (
    SELECT
        ad_order_items.id AS ad_order_item_id,
        placements.id,
        placements.name,
        placements.vlocity_cmt__quotelineitemid__c,
        placements.vlocity_cmt__adserverorderidentifier__c,
        placements.vlocity_cmt__adserverorderlineidentiifier__c,
        placements.production_system__c,
        placements.vlocity_cmt__adserverorderlineidentiifier__c
            = ad_order_items.adserverorderlineidentifier AS is_same_line,
        COUNT(placements.id) OVER (PARTITION BY ad_order_items.id) AS placement_count,
        ROW_NUMBER() OVER (
            PARTITION BY ad_order_items.id
            ORDER BY
                CASE
                    WHEN placements.vlocity_cmt__adserverorderlineidentiifier__c
                        = ad_order_items.adserverorderlineidentifier
                        THEN 0
                    ELSE 1
                END,
                placements.createddate DESC NULLS LAST,
                placements.id DESC NULLS LAST
        ) AS placement_rank
    FROM ad_order_items
    LEFT JOIN order_products
        ON ad_order_items.orderitemid = order_products.id
    LEFT JOIN placements
        ON order_products.id = placements.vlocity_cmt__orderitemid__c
),

matched_placements AS (
    SELECT
        ad_order_item_id,
        id,
        name,
        vlocity_cmt__quotelineitemid__c,
        vlocity_cmt__adserverorderidentifier__c,
        vlocity_cmt__adserverorderlineidentiifier__c,
        production_system__c
    FROM ranked_placements
    WHERE placement_rank = 1 AND (is_same_line OR placement_count = 1)
)

SELECT
    ad_order_items.id,
    ad_order_items.name,
    COALESCE(
        ad_order_items.adserverorderlineidentifier,
        matched_placements.vlocity_cmt__adserverorderlineidentiifier__c
    ) AS ad_server_order_line_identifier,
    COALESCE(
        ad_order_items.adserverorderidentifier,
        matched_placements.vlocity_cmt__adserverorderidentifier__c
    ) AS ad_server_order_identifier,
    COALESCE(ad_order_items.production_system__c, matched_placements.production_system__c)
        AS production_system,
    ad_order_items.swm_status__c AS status,
    order_products.id AS sales_order_line_item_id,
    order_products.vlocity_cmt__itemname__c AS sales_order_line_item_name,
    orders.id AS sales_order_id,
    matched_placements.id AS placement_id,
    matched_placements.name AS placement_name,
    COALESCE(own_lines.id, placed_lines.id, ordered_lines.id) AS production_line_item_id,
    CASE
        WHEN own_lines.id IS NOT NULL
            THEN own_lines.vlocity_cmt__itemname__c
        WHEN placed_lines.id IS NOT NULL
            THEN placed_lines.vlocity_cmt__itemname__c
        ELSE ordered_lines.vlocity_cmt__itemname__c
    END AS production_line_item_name,
    ad_order_items.createddate AS created_at,
    ad_order_items.lastmodifieddate AS last_modified_at
FROM ad_order_items
LEFT JOIN order_products
    ON ad_order_items.orderitemid = order_products.id
LEFT JOIN orders
    ON order_products.orderid = orders.id
LEFT JOIN matched_placements
    ON ad_order_items.id = matched_placements.ad_order_item_id
LEFT JOIN quote_line_items AS own_lines
    ON ad_order_items.quotelineitemid = own_lines.id
LEFT JOIN quote_line_items AS placed_lines
    ON matched_placements.vlocity_cmt__quotelineitemid__c = placed_lines.id
LEFT JOIN quote_line_items AS ordered_lines
    ON order_products.quotelineitemid = ordered_lines.id
