SELECT
    number,
    TIMESTAMP '$start' AS created,
    list_extract(['Advertiser', 'Agency', 'Billing', 'Buyer', 'Campaign Contract', 'Direct Order', 'Programmatic Order', 'Digital Product', 'Media Quote'], number) AS "Name",
    list_extract(['Advertiser', 'Agency', 'Billing', 'Buyer', 'Campaign_Contract', 'Direct_Order', 'Programmatic_Order', 'Digital_Product', 'Media_Quote'], number) AS "DeveloperName",
    list_extract(['Account', 'Account', 'Account', 'Contact', 'Contract', 'Order', 'Order', 'Product2', 'Quote'], number) AS "SobjectType",
    CAST(NULL AS VARCHAR) AS "NamespacePrefix",
    TRUE AS "IsActive"
FROM range(1, 10) AS numbers(number)
