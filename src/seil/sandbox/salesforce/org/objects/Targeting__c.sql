WITH targeted AS (
    SELECT
        * EXCLUDE (ordinal),
        row_number() OVER (ORDER BY number) AS ordinal
    FROM placement
    WHERE chance(number, 'targeted', 0.25)
)

SELECT
    $Targeting__c + ordinal AS number,
    created,
    deleted,
    gone_at,
    'T-' || lpad(CAST($Targeting__c + ordinal AS VARCHAR), 8, '0') AS "Name",
    plan AS "Media_Plan_Placement__c",
    targeted.number AS "Order_Item_Ad_Placement__c",
    quote_line AS "Quote_Line_Item__c",
    one_of(targeted.number, 'key', ['suburb', 'age', 'device', 'genre']) AS "Key__c",
    CASE WHEN chance(targeted.number, 'valued', 0.8) THEN odd_text(targeted.number, 'value', 32768) END AS "Value__c"
FROM targeted
