WITH discounted AS (
    SELECT
        *,
        row_number() OVER (ORDER BY quote) AS discount
    FROM deal
    WHERE quote IS NOT NULL AND chance(quote, 'discount', 0.25)
),

listed AS (
    SELECT
        *,
        unnest(range(1, 2 + below(quote, 'prices', 3))) AS position
    FROM discounted
),

numbered AS (
    SELECT
        *,
        row_number() OVER (ORDER BY quote, position) AS ordinal
    FROM listed
)

SELECT
    $vlocity_cmt__QuoteDiscountPricing__c + ordinal AS number,
    quote_created AS created,
    quote_deleted AS deleted,
    gone_at,
    $vlocity_cmt__QuoteDiscount__c + discount AS vlocity_cmt__QuoteDiscountId__c,
    quote AS vlocity_cmt__QuoteId__c,
    'Discount' AS vlocity_cmt__AdjustmentType__c,
    CAST(-below(ordinal, 'adjustment', 500000) * 0.0001 AS DECIMAL(18, 4)) AS vlocity_cmt__AdjustmentValue__c
FROM numbered
