WITH order_products AS (
    SELECT
        id,
        orderid,
        product2id,
        orderitemnumber,
        vlocity_cmt__itemname__c,
        vlocity_cmt__firstversionorderitemid__c,
        vlocity_cmt__parentitemid__c,
        buy_type__c,
        unitprice,
        quantity,
        totalprice,
        availablequantity,
        createddate,
        lastmodifieddate
    FROM salesforce.order_product
    WHERE isdeleted IS NOT TRUE
),

placements AS (
    SELECT
        id,
        name,
        vlocity_cmt__orderitemid__c,
        swm_parent_media_placement__c,
        swm_sub_status__c,
        swm_floor_price__c,
        swm_market_rate__c,
        cost_method__c,
        production_system__c,
        vlocity_cmt__adrequestedstartdate__c,
        vlocity_cmt__adrequestedenddate__c,
        vlocity_cmt__adserverorderidentifier__c,
        vlocity_cmt__adserverorderlineidentiifier__c,
        vlocity_cmt__userengagementgoalunittype__c,
        vlocity_cmt__impliedtotal__c,
        createdbyid,
        createddate,
        lastmodifiedbyid,
        lastmodifieddate
    FROM salesforce.order_ad_placement
    WHERE isdeleted IS NOT TRUE
),

orders AS (
    SELECT
        id,
        accountid,
        vlocity_cmt__pricelistid__c,
        vlocity_cmt__discount__c
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

accounts AS (
    SELECT
        id,
        swm_agency_commission__c
    FROM salesforce.account
    WHERE isdeleted IS NOT TRUE
),

products AS (
    SELECT
        id,
        name,
        agency_commission_applicable__c,
        forecast_method__c
    FROM salesforce.product
    WHERE isdeleted IS NOT TRUE
),

media_plan_placements AS (
    SELECT
        id,
        name,
        swm_gross_unit_cost__c,
        swm_sov__c
    FROM salesforce.media_plan_placement
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name
    FROM salesforce."user"
)

SELECT
    COALESCE(placements.id, order_products.id) AS line_item_key,
    order_products.id AS sales_order_line_item_id,
    order_products.vlocity_cmt__itemname__c AS sales_order_line_item_name,
    order_products.orderitemnumber AS sales_order_line_item_number,
    placements.id AS placement_id,
    orders.id AS order_id,
    orders.id AS sales_order_id,
    placements.vlocity_cmt__adserverorderidentifier__c AS ad_server_order_identifier,
    placements.vlocity_cmt__adserverorderlineidentiifier__c AS ad_server_order_line_identifier,
    placements.production_system__c AS production_system,
    accounts.id AS account_id,
    products.id AS product_id,
    order_products.product2id AS product_reference,
    order_products.vlocity_cmt__itemname__c AS product_name,
    products.name AS catalog_product_name,
    media_plan_placements.id AS media_plan_id,
    placements.swm_parent_media_placement__c AS media_plan_reference,
    placements.name AS media_plan_name,
    media_plan_placements.name AS media_plan_placement_name,
    BUSINESS_DATE(placements.vlocity_cmt__adrequestedstartdate__c)
        AS sales_order_line_item_start_date,
    placements.vlocity_cmt__adrequestedstartdate__c AS sales_order_line_item_start_at,
    BUSINESS_DATE(placements.vlocity_cmt__adrequestedenddate__c)
        AS sales_order_line_item_end_date,
    placements.vlocity_cmt__adrequestedenddate__c AS sales_order_line_item_end_at,
    order_products.vlocity_cmt__firstversionorderitemid__c AS sales_order_line_item_version,
    parents.id AS parent_line_item_id,
    order_products.vlocity_cmt__parentitemid__c AS parent_line_item_reference,
    placements.swm_sub_status__c AS line_item_status,
    order_products.buy_type__c AS booking_type,
    placements.cost_method__c AS cost_type,
    order_products.unitprice AS net_unit_cost,
    order_products.quantity,
    order_products.totalprice AS net_cost,
    placements.vlocity_cmt__userengagementgoalunittype__c AS unit_type,
    order_products.availablequantity AS production_quantity,
    products.agency_commission_applicable__c AS can_commission,
    accounts.swm_agency_commission__c AS agency_commission_rate,
    orders.vlocity_cmt__pricelistid__c AS rate_card_id,
    placements.swm_floor_price__c AS floor_price,
    placements.swm_market_rate__c AS rate_card_price,
    media_plan_placements.swm_gross_unit_cost__c AS gross_unit_cost,
    placements.vlocity_cmt__impliedtotal__c AS gross_cost,
    media_plan_placements.swm_sov__c AS share_of_voice,
    products.forecast_method__c AS forecast_category,
    orders.vlocity_cmt__discount__c AS total_discounts,
    placements.createdbyid AS created_by_id,
    creators.name AS created_by,
    placements.createddate AS created_on,
    placements.lastmodifiedbyid AS last_modified_by_id,
    modifiers.name AS last_modified_by,
    placements.lastmodifieddate AS last_modified_on,
    order_products.createddate AS order_product_created_at,
    order_products.lastmodifieddate AS order_product_last_modified_at
FROM order_products
LEFT JOIN placements
    ON order_products.id = placements.vlocity_cmt__orderitemid__c
LEFT JOIN orders
    ON order_products.orderid = orders.id
LEFT JOIN accounts
    ON orders.accountid = accounts.id
LEFT JOIN products
    ON order_products.product2id = products.id
LEFT JOIN media_plan_placements
    ON placements.swm_parent_media_placement__c = media_plan_placements.id
LEFT JOIN order_products AS parents
    ON order_products.vlocity_cmt__parentitemid__c = parents.id
LEFT JOIN users AS creators
    ON placements.createdbyid = creators.id
LEFT JOIN users AS modifiers
    ON placements.lastmodifiedbyid = modifiers.id
