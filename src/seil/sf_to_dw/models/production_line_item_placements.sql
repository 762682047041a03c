WITH media_plan_placements AS (
    SELECT
        id,
        name,
        vlocity_cmt__quotelineitemid__c
    FROM salesforce.media_plan_placement
    WHERE isdeleted IS NOT TRUE
),

quote_line_items AS (
    SELECT
        id,
        quoteid,
        vlocity_cmt__itemname__c
    FROM salesforce.quote_line_item
    WHERE isdeleted IS NOT TRUE
),

quotes AS (
    SELECT
        id,
        accountid
    FROM salesforce.quote
    WHERE isdeleted IS NOT TRUE
),

accounts AS (
    SELECT id
    FROM salesforce.account
    WHERE isdeleted IS NOT TRUE
),

account_ad_servers AS (
    SELECT
        id,
        name,
        vlocity_cmt__adserverid__c,
        vlocity_cmt__advertiserid__c
    FROM salesforce.account_ad_server
    WHERE isdeleted IS NOT TRUE
)

SELECT
    CONCAT_WS('-', media_plan_placements.id, account_ad_servers.id) AS key,
    media_plan_placements.id AS media_plan_placement_id,
    media_plan_placements.name AS media_plan_placement_name,
    quote_line_items.id AS production_line_item_id,
    media_plan_placements.vlocity_cmt__quotelineitemid__c AS production_line_item_reference,
    quote_line_items.vlocity_cmt__itemname__c AS production_line_item_name,
    quotes.id AS quote_id,
    accounts.id AS account_id,
    account_ad_servers.id AS account_ad_server_id,
    account_ad_servers.vlocity_cmt__adserverid__c AS ad_slot_id,
    account_ad_servers.name AS ad_slot_name
FROM media_plan_placements
LEFT JOIN quote_line_items
    ON media_plan_placements.vlocity_cmt__quotelineitemid__c = quote_line_items.id
LEFT JOIN quotes
    ON quote_line_items.quoteid = quotes.id
LEFT JOIN accounts
    ON quotes.accountid = accounts.id
LEFT JOIN account_ad_servers
    ON accounts.id = account_ad_servers.vlocity_cmt__advertiserid__c
