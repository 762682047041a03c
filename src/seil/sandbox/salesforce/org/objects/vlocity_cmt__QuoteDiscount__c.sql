WITH discounted AS (
    SELECT
        *,
        row_number() OVER (ORDER BY quote) AS ordinal
    FROM deal
    WHERE quote IS NOT NULL AND chance(quote, 'discount', 0.25)
)

SELECT
    $vlocity_cmt__QuoteDiscount__c + ordinal AS number,
    quote_created AS created,
    quote_deleted AS deleted,
    gone_at,
    'Discount of quote ' || quote AS "Name",
    quote AS vlocity_cmt__QuoteId__c,
    owner AS "OwnerId"
FROM discounted
