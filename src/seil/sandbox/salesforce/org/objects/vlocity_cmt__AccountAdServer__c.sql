WITH listed AS (
    SELECT
        number AS account,
        created,
        deleted,
        ad_servers_before,
        unnest(range(1, ad_servers + 1)) AS position
    FROM account_draft
    WHERE ad_servers > 0
)

SELECT
    ad_servers_before + position AS number,
    created,
    deleted OR chance(ad_servers_before + position, 'deleted', 0.01) AS deleted,
    'Account ' || account || ' on server ' || (1 + (account + position) % 6) AS "Name",
    account AS vlocity_cmt__AdvertiserId__c,
    CASE WHEN NOT chance(ad_servers_before + position, 'no server', 0.02) THEN 1 + (account + position) % 6 END AS vlocity_cmt__AdServerId__c,
    CASE WHEN chance(ad_servers_before + position, 'known there', 0.9) THEN lpad(CAST(4000000 + ad_servers_before + position AS VARCHAR), 10, '0') END AS vlocity_cmt__AdServerAdvertiserIdentifier__c
FROM listed
