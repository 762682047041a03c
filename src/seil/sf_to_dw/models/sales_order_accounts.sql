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
        name,
        op1_account_id__c,
        swm_planning_agency__c
    FROM salesforce.account
    WHERE isdeleted IS NOT TRUE
)

SELECT
    orders.id AS order_id,
    orders.id AS sales_order_id,
    COALESCE(orders.vlocity_cmt__masterordername__c, orders.name) AS order_name,
    orders.vlocity_cmt__masterordername__c AS sales_order_name,
    accounts.id AS account_id,
    orders.accountid AS account_reference,
    accounts.name AS account_name,
    accounts.op1_account_id__c AS op1_account_id,
    accounts.swm_planning_agency__c AS functional_role_name,
    accounts.swm_planning_agency__c AS functional_role_id
FROM orders
LEFT JOIN accounts
    ON orders.accountid = accounts.id
