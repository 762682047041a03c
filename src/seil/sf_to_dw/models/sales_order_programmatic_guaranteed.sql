WITH account_ad_servers AS (
    SELECT
        id,
        name,
        vlocity_cmt__adserverid__c,
        vlocity_cmt__advertiserid__c,
        vlocity_cmt__adserveradvertiseridentifier__c,
        isdeleted
    FROM salesforce.account_ad_server
    WHERE isdeleted IS NOT TRUE
),

ad_servers AS (
    SELECT
        id,
        name
    FROM salesforce.ad_server
    WHERE isdeleted IS NOT TRUE
)

SELECT
    account_ad_servers.id,
    account_ad_servers.name,
    account_ad_servers.vlocity_cmt__advertiserid__c AS account_id,
    account_ad_servers.vlocity_cmt__adserveradvertiseridentifier__c AS production_system_id,
    ad_servers.id AS ad_server_id,
    ad_servers.name AS production_system_name,
    COALESCE(account_ad_servers.isdeleted, FALSE) AS deleted
FROM account_ad_servers
LEFT JOIN ad_servers
    ON account_ad_servers.vlocity_cmt__adserverid__c = ad_servers.id
