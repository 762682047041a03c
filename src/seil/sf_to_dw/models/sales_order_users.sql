WITH orders AS (
    SELECT
        id,
        name,
        vlocity_cmt__masterordername__c,
        createdbyid
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name,
        username,
        userroleid
    FROM salesforce."user"
)

SELECT
    orders.id AS order_id,
    orders.id AS sales_order_id,
    COALESCE(orders.vlocity_cmt__masterordername__c, orders.name) AS order_name,
    orders.vlocity_cmt__masterordername__c AS sales_order_name,
    users.id AS user_id,
    users.username AS user_name,
    users.name AS user_full_name,
    users.username AS user_login,
    users.userroleid AS functional_role_name,
    users.userroleid AS functional_role_id
FROM orders
LEFT JOIN users
    ON orders.createdbyid = users.id
