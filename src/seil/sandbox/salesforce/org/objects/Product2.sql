SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'launched'), 3)) AS created,
    chance(number, 'deleted', 0.02) AS deleted,
    CASE
        WHEN chance(number, 'odd name', 0.02) THEN odd_text(number, 'odd name', 255)
        ELSE one_of(number, 'site', ['Homepage', 'Sport', 'News', 'Finance', 'Lifestyle', 'Catch-up TV', 'Radio', 'Magazine', '7+ "Live"'])
            || ' '
            || one_of(number, 'format', ['Leaderboard', 'Half Page', 'Pre-roll', 'Mid-roll', 'Takeover', 'Newsletter', 'Audio Spot', 'Full Page, Colour'])
            || ' ' || number
    END AS "Name",
    lpad(CAST(number AS VARCHAR), 6, '0') AS "ProductCode",
    'product-' || number AS vlocity_cmt__GlobalKey__c,
    NOT chance(number, 'inactive', 0.1) AS "IsActive",
    CASE WHEN chance(number, 'described', 0.6) THEN odd_text(number, 'described', 4000) END AS "Description",
    one_of(number, 'type', ['Simple', 'Bundle', 'Package']) AS vlocity_cmt__Type__c,
    one_of(number, 'object type', ['Digital Product', 'Broadcast Product', 'Print Product', NULL]) AS vlocity_cmt__ObjectTypeName__c,
    CASE WHEN chance(number, 'tagged', 0.7) THEN one_of(number, 'tags', ['Sport', 'News;Finance', 'Lifestyle;Kids', 'Weather']) END AS "Tags__c",
    one_of(number, 'system', ['GAM', 'GAM', 'GAM', 'Freewheel', 'Landmark', 'Manual']) AS "Production_System__c",
    one_of(number, 'pricing', ['CPM', 'CPM', 'CPC', 'CPD', 'Flat']) AS "Pricing_Method__c",
    one_of(number, 'forecast', ['Inventory', 'Historical', 'None']) AS "Forecast_Method__c",
    8 AS "RecordTypeId"
FROM range(1, $products + 1) AS numbers(number)
