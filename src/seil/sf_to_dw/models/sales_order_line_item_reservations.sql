WITH contracts AS (
    SELECT
        id,
        contractnumber,
        name,
        status,
        startdate,
        enddate,
        vlocity_cmt__orderid__c,
        vlocity_cmt__terminatedate__c
    FROM salesforce.contract
    WHERE isdeleted IS NOT TRUE
),

orders AS (
    SELECT id
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

order_products AS (
    SELECT
        id,
        orderid,
        vlocity_cmt__itemname__c,
        quantity,
        availablequantity
    FROM salesforce.order_product
    WHERE isdeleted IS NOT TRUE
),

placements AS (
    SELECT
        id,
        vlocity_cmt__orderitemid__c,
        createddate
    FROM salesforce.order_ad_placement
    WHERE isdeleted IS NOT TRUE
),

-- An order product can have several placements; a reservation is of the order product.
ranked_placements AS (
    SELECT
        id,
        vlocity_cmt__orderitemid__c AS order_product_id,
        ROW_NUMBER() OVER (
            PARTITION BY vlocity_cmt__orderitemid__c
            ORDER BY createddate NULLS LAST, id
        ) AS placement_rank,
        COUNT(id) OVER (PARTITION BY vlocity_cmt__orderitemid__c) AS placement_count
    FROM placements
),

first_placements AS (
    SELECT
        id,
        order_product_id,
        placement_count
    FROM ranked_placements
    WHERE placement_rank = 1
)

SELECT
    CONCAT_WS('-', contracts.id, order_products.id) AS reservation_key,
    contracts.id AS sli_reservation_id,
    contracts.id AS contract_id,
    contracts.contractnumber AS contract_number,
    contracts.name AS contract_name,
    order_products.id AS sales_order_line_item_id,
    order_products.vlocity_cmt__itemname__c AS sales_order_line_item_name,
    orders.id AS sales_order_id,
    first_placements.id AS placement_id,
    COALESCE(first_placements.placement_count, 0) AS placement_count,
    contracts.status AS reservation_status,
    contracts.startdate AS requested_time,
    contracts.enddate AS committed_time,
    BUSINESS_DATE(contracts.vlocity_cmt__terminatedate__c) AS expiration_date,
    order_products.availablequantity AS reserved_quantity,
    order_products.quantity AS contracted_production_quantity
FROM contracts
LEFT JOIN orders
    ON contracts.vlocity_cmt__orderid__c = orders.id
LEFT JOIN order_products
    ON orders.id = order_products.orderid
LEFT JOIN first_placements
    ON order_products.id = first_placements.order_product_id
