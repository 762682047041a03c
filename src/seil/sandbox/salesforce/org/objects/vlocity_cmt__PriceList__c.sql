SELECT
    number,
    TIMESTAMP '$start' AS created,
    number = 7 AS deleted,
    list_extract(['Digital Standard', 'Agency "Preferred"', 'Programmatic, Guaranteed', 'Broadcast', 'House & Bonus', 'NA', 'Retired 2021'], number) AS "Name",
    'PL-' || lpad(CAST(number AS VARCHAR), 4, '0') AS vlocity_cmt__Code__c,
    number < 7 AS vlocity_cmt__IsActive__c,
    'AUD' AS vlocity_cmt__CurrencyCode__c,
    1 + number % 3 AS vlocity_cmt__Pricebook2Id__c
FROM range(1, 8) AS numbers(number)
