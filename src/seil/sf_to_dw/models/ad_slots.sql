WITH account_ad_servers AS (
    SELECT
        id,
        name,
        vlocity_cmt__adserverid__c,
        vlocity_cmt__advertiserid__c,
        vlocity_cmt__adserveradvertiseridentifier__c
    FROM salesforce.account_ad_server
    WHERE isdeleted IS NOT TRUE
),

ad_servers AS (
    SELECT
        id,
        name,
        swm_is_gam__c,
        vlocity_cmt__adserverapplicationname__c,
        vlocity_cmt__adservernetworkidentifier__c
    FROM salesforce.ad_server
    WHERE isdeleted IS NOT TRUE
)

SELECT
    account_ad_servers.id,
    account_ad_servers.vlocity_cmt__adserverid__c AS ad_slot_id,
    account_ad_servers.name AS ad_slot_name,
    account_ad_servers.vlocity_cmt__advertiserid__c AS account_id,
    ad_servers.id AS ad_server_id,
    account_ad_servers.vlocity_cmt__adserveradvertiseridentifier__c AS production_system_id,
    ad_servers.name AS production_system_name,
    ad_servers.vlocity_cmt__adserverapplicationname__c AS media_property_name,
    ad_servers.vlocity_cmt__adservernetworkidentifier__c AS ad_server_network_identifier,
    ad_servers.swm_is_gam__c AS is_gam
FROM account_ad_servers
LEFT JOIN ad_servers
    ON account_ad_servers.vlocity_cmt__adserverid__c = ad_servers.id
