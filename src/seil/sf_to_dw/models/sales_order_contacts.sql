WITH orders AS (
    SELECT
        id,
        name,
        vlocity_cmt__masterordername__c,
        accountid
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

accounts AS (
    SELECT
        id,
        name
    FROM salesforce.account
    WHERE isdeleted IS NOT TRUE
),

contacts AS (
    SELECT
        id,
        accountid,
        name,
        email
    FROM salesforce.contact
    WHERE isdeleted IS NOT TRUE
)

SELECT
    orders.id AS order_id,
    orders.id AS sales_order_id,
    COALESCE(orders.vlocity_cmt__masterordername__c, orders.name) AS order_name,
    orders.vlocity_cmt__masterordername__c AS sales_order_name,
    accounts.id AS account_id,
    accounts.name AS account_name,
    contacts.id AS contact_id,
    contacts.name AS contact_name,
    contacts.email AS contact_email
FROM orders
LEFT JOIN accounts
    ON orders.accountid = accounts.id
LEFT JOIN contacts
    ON accounts.id = contacts.accountid
