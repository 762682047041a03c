WITH orders AS (
    SELECT
        id,
        quoteid,
        vlocity_cmt__quoteid__c,
        vlocity_cmt__orderstatus__c,
        vlocity_cmt__ordergroupid__c,
        ownerid,
        activateddate,
        lastmodifieddate,
        lastmodifiedbyid
    FROM salesforce."order"
    WHERE isdeleted IS NOT TRUE
),

quotes AS (
    SELECT
        id,
        name,
        description,
        approval_status__c,
        vlocity_cmt__type__c,
        vlocity_cmt__lockedby__c,
        ownerid
    FROM salesforce.quote
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name
    FROM salesforce."user"
),

order_quotes AS (
    SELECT
        orders.id AS order_id,
        COALESCE(package_quotes.id, own_quotes.id) AS quote_id
    FROM orders
    LEFT JOIN quotes AS package_quotes
        ON orders.vlocity_cmt__quoteid__c = package_quotes.id
    LEFT JOIN quotes AS own_quotes
        ON orders.quoteid = own_quotes.id
)

SELECT
    orders.id AS order_id,
    orders.id AS sales_order_id,
    quotes.id AS quote_id,
    quotes.id AS sales_order_approval_id,
    quotes.name AS quote_name,
    quotes.description AS rule_description,
    quotes.approval_status__c AS approval_status,
    orders.vlocity_cmt__orderstatus__c AS order_status,
    quotes.vlocity_cmt__type__c AS approval_type,
    orders.ownerid AS approver_id,
    orders.ownerid AS order_owner_id,
    order_owners.name AS order_owner_name,
    orders.vlocity_cmt__ordergroupid__c AS approval_group_id,
    quotes.ownerid AS quote_owner_id,
    quote_owners.name AS approver,
    quotes.vlocity_cmt__lockedby__c AS submitted_by_id,
    submitters.name AS submitted_by,
    orders.activateddate AS submitted_on,
    orders.lastmodifieddate AS last_modified_on,
    orders.lastmodifiedbyid AS last_modified_by_id,
    modifiers.name AS last_modified_by
FROM orders
LEFT JOIN order_quotes
    ON orders.id = order_quotes.order_id
LEFT JOIN quotes
    ON order_quotes.quote_id = quotes.id
LEFT JOIN users AS order_owners
    ON orders.ownerid = order_owners.id
LEFT JOIN users AS quote_owners
    ON quotes.ownerid = quote_owners.id
LEFT JOIN users AS submitters
    ON quotes.vlocity_cmt__lockedby__c = submitters.id
LEFT JOIN users AS modifiers
    ON orders.lastmodifiedbyid = modifiers.id
