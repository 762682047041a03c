WITH quote_line_items AS (
    SELECT
        id,
        quoteid,
        product2id,
        vlocity_cmt__itemname__c,
        vlocity_cmt__provisioningstatus__c,
        vlocity_cmt__onetimetotal__c,
        vlocity_cmt__usagequantity__c,
        buy_type__c,
        swm_gross_unit_cost__c,
        swm_approval_status__c,
        production_system__c,
        quantity
    FROM salesforce.quote_line_item
    WHERE isdeleted IS NOT TRUE
),

media_plan_placements AS (
    SELECT
        id,
        name,
        vlocity_cmt__quotelineitemid__c,
        vlocity_cmt__adrequestedstartdate__c,
        vlocity_cmt__adrequestedenddate__c,
        swm_sov__c
    FROM salesforce.media_plan_placement
    WHERE isdeleted IS NOT TRUE
),

placements AS (
    SELECT
        id,
        vlocity_cmt__quotelineitemid__c,
        vlocity_cmt__orderitemid__c,
        swm_parent_media_placement__c,
        swm_sub_status__c,
        createddate
    FROM salesforce.order_ad_placement
    WHERE isdeleted IS NOT TRUE
),

order_products AS (
    SELECT
        id,
        quotelineitemid,
        vlocity_cmt__itemname__c,
        vlocity_cmt__firstversionorderitemid__c,
        createddate
    FROM salesforce.order_product
    WHERE isdeleted IS NOT TRUE
),

products AS (
    SELECT
        id,
        name,
        pricing_method__c
    FROM salesforce.product
    WHERE isdeleted IS NOT TRUE
),

production_lines AS (
    SELECT
        quote_line_items.id AS quote_line_item_id,
        media_plan_placements.id AS media_plan_placement_id
    FROM quote_line_items
    LEFT JOIN media_plan_placements
        ON quote_line_items.id = media_plan_placements.vlocity_cmt__quotelineitemid__c
),

-- A quote line item can be ordered more than once: prefer the placement that was made from this
-- media plan placement, then the newest.
ranked_placements AS (
    SELECT
        production_lines.quote_line_item_id,
        production_lines.media_plan_placement_id,
        placements.id,
        placements.vlocity_cmt__orderitemid__c,
        placements.swm_sub_status__c,
        ROW_NUMBER() OVER (
            PARTITION BY
                production_lines.quote_line_item_id,
                production_lines.media_plan_placement_id
            ORDER BY
                CASE
                    WHEN placements.swm_parent_media_placement__c
                        = production_lines.media_plan_placement_id
                        THEN 0
                    WHEN placements.swm_parent_media_placement__c IS NULL
                        THEN 1
                    ELSE 2
                END,
                placements.createddate DESC NULLS LAST,
                placements.id DESC NULLS LAST
        ) AS placement_rank
    FROM production_lines
    LEFT JOIN placements
        ON production_lines.quote_line_item_id = placements.vlocity_cmt__quotelineitemid__c
),

ranked_order_products AS (
    SELECT
        id,
        quotelineitemid,
        ROW_NUMBER() OVER (
            PARTITION BY quotelineitemid
            ORDER BY createddate DESC NULLS LAST, id DESC
        ) AS order_product_rank
    FROM order_products
),

newest_order_products AS (
    SELECT
        id,
        quotelineitemid
    FROM ranked_order_products
    WHERE order_product_rank = 1
),

-- The placement's own order product, so that the two never come from different orders.
ordered_lines AS (
    SELECT
        ranked_placements.quote_line_item_id,
        ranked_placements.media_plan_placement_id,
        ranked_placements.id AS placement_id,
        ranked_placements.vlocity_cmt__orderitemid__c,
        ranked_placements.swm_sub_status__c,
        COALESCE(placed_products.id, newest_order_products.id) AS order_product_id
    FROM ranked_placements
    LEFT JOIN order_products AS placed_products
        ON ranked_placements.vlocity_cmt__orderitemid__c = placed_products.id
    LEFT JOIN newest_order_products
        ON ranked_placements.quote_line_item_id = newest_order_products.quotelineitemid
    WHERE ranked_placements.placement_rank = 1
)

SELECT
    CONCAT_WS('-', quote_line_items.id, media_plan_placements.id) AS production_line_item_key,
    quote_line_items.id AS production_line_item_id,
    quote_line_items.vlocity_cmt__itemname__c AS production_line_item_name,
    quote_line_items.quoteid AS quote_id,
    media_plan_placements.id AS media_plan_placement_id,
    media_plan_placements.name AS media_plan_placement_name,
    ordered_lines.placement_id,
    order_products.id AS sales_order_line_item_id,
    COALESCE(ordered_lines.vlocity_cmt__orderitemid__c, order_products.id)
        AS sales_order_line_item_reference,
    order_products.vlocity_cmt__itemname__c AS sales_order_line_item_name,
    order_products.vlocity_cmt__firstversionorderitemid__c AS sales_order_line_item_version,
    products.id AS product_id,
    products.name AS product_name,
    quote_line_items.vlocity_cmt__provisioningstatus__c AS production_line_item_status,
    BUSINESS_DATE(media_plan_placements.vlocity_cmt__adrequestedstartdate__c)
        AS production_line_item_start_date,
    media_plan_placements.vlocity_cmt__adrequestedstartdate__c AS production_line_item_start_at,
    BUSINESS_DATE(media_plan_placements.vlocity_cmt__adrequestedenddate__c)
        AS production_line_item_end_date,
    media_plan_placements.vlocity_cmt__adrequestedenddate__c AS production_line_item_end_at,
    quote_line_items.vlocity_cmt__onetimetotal__c AS production_line_item_value,
    products.pricing_method__c AS push_cost_method_name,
    quote_line_items.buy_type__c AS booking_type,
    quote_line_items.swm_gross_unit_cost__c AS production_unit_cost,
    quote_line_items.quantity AS production_quantity,
    quote_line_items.vlocity_cmt__usagequantity__c AS push_quantity,
    ordered_lines.swm_sub_status__c AS line_item_status,
    quote_line_items.swm_approval_status__c AS reservation_status,
    quote_line_items.production_system__c AS production_line_item_source,
    media_plan_placements.swm_sov__c AS share_of_voice
FROM ordered_lines
LEFT JOIN quote_line_items
    ON ordered_lines.quote_line_item_id = quote_line_items.id
LEFT JOIN media_plan_placements
    ON ordered_lines.media_plan_placement_id = media_plan_placements.id
LEFT JOIN order_products
    ON ordered_lines.order_product_id = order_products.id
LEFT JOIN products
    ON quote_line_items.product2id = products.id
