WITH orders AS (
    SELECT
        id,
        type,
        vlocity_cmt__orderstatus__c,
        description,
        pricebook2id,
        createdbyid,
        createddate,
        lastmodifiedbyid,
        lastmodifieddate
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name
    FROM salesforce."user"
)

SELECT
    orders.id AS order_id,
    orders.id AS sales_order_id,
    orders.type AS sales_order_type,
    orders.vlocity_cmt__orderstatus__c AS status,
    orders.description,
    orders.pricebook2id AS price_book_name,
    orders.pricebook2id AS price_book_id,
    orders.createdbyid AS created_by_id,
    creators.name AS created_by,
    orders.createddate AS created_on,
    orders.lastmodifiedbyid AS last_modified_by_id,
    modifiers.name AS last_modified_by,
    orders.lastmodifieddate AS last_modified_on
FROM orders
LEFT JOIN users AS creators
    ON orders.createdbyid = creators.id
LEFT JOIN users AS modifiers
    ON orders.lastmodifiedbyid = modifiers.id
