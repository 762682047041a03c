SELECT
    number,
    created,
    deleted,
    CASE
        WHEN chance(number, 'odd name', 0.03) THEN odd_text(number, 'odd name', 255)
        ELSE one_of(number, 'brand', ['Harbour', 'Southern', 'Acme', 'Müller', 'Kangaroo', 'Blue Gum', 'Sunrise', 'O''Brien', 'Østerberg', 'Nordic', 'Pacific', 'Red Earth', 'Tiny', 'Grand', 'Étoile', '北京'])
            || ' '
            || one_of(number, 'trade', ['Motors', 'Bank', 'Foods', 'Media', 'Travel', 'Insurance', 'Retail Group', 'Telecom', 'Energy', 'Health', '& Sons, Pty Ltd', 'Agency "One"'])
            || ' ' || number
    END AS "Name",
    CASE WHEN number > 10 AND chance(number, 'parent', 0.12) THEN 1 + below(number, 'parent account', 10) END AS "ParentId",
    CASE WHEN contacts > 0 AND NOT deleted THEN contacts_before + 1 END AS "Primary_Contact__c",
    CASE WHEN contacts > 0 AND NOT deleted AND chance(number, 'primary', 0.5) THEN contacts_before + 1 END AS vlocity_cmt__PrimaryContactId__c,
    number AS "ns__LinkedAccount__c",
    CASE WHEN number > 10 AND chance(number, 'billing agency', 0.4) THEN 1 + below(number, 'billing agency account', 10) END AS "SWM_Billing_Agency__c",
    CASE WHEN number > 10 AND chance(number, 'planning agency', 0.4) THEN 1 + below(number, 'planning agency account', 10) END AS "SWM_Planning_Agency__c",
    CASE WHEN chance(number, 'executive', 0.8) THEN 1 + below(number, 'sales executive', $users) END AS "SWM_Sales_Exec_Account_Manager__c",
    CASE WHEN chance(number, 'coordinator', 0.7) THEN 1 + below(number, 'sales coordinator', $users) END AS "SWM_Sales_Coord_Account_Coord__c",
    1 + below(number, 'record type', 3) AS "RecordTypeId",
    CASE WHEN chance(number, 'legacy', 0.7) THEN lpad(CAST(number * 37 % 100000 AS VARCHAR), 5, '0') END AS "OP1_Account_Id__c",
    CASE WHEN chance(number, 'commission', 0.8) THEN CAST(below(number, 'commission rate', 2001) * 0.01 AS DECIMAL(5, 2)) END AS "SWM_Agency_Commission__c",
    CASE
        WHEN chance(number, 'long description', 0.006) THEN long_text(number, 'long description')
        WHEN chance(number, 'description', 0.5) THEN odd_text(number, 'description', 32000)
    END AS "Description",
    CASE WHEN chance(number, 'postal code', 0.9) THEN lpad(CAST(below(number, 'billing postal code', 9999) AS VARCHAR), 4, '0') END AS "BillingPostalCode",
    CASE WHEN chance(number, 'placed', 0.6) THEN CAST(CAST(roll(number, 'latitude') % 90000000000000000 AS HUGEINT) AS DECIMAL(38, 0)) * 0.000000000000001 - 45 END AS "BillingLatitude",
    CASE WHEN chance(number, 'placed', 0.6) THEN CAST(CAST(roll(number, 'longitude') % 360000000000000000 AS HUGEINT) AS DECIMAL(38, 0)) * 0.000000000000001 - 180 END AS "BillingLongitude",
    CASE WHEN chance(number, 'placed', 0.6) THEN 'Address' END AS "BillingGeocodeAccuracy"
FROM account_draft
