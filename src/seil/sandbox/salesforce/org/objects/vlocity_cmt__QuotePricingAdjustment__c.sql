WITH adjusted AS (
    SELECT
        *,
        row_number() OVER (ORDER BY quote_line) AS ordinal
    FROM line
    WHERE quote_line IS NOT NULL AND chance(line, 'adjusted', 0.15)
)

SELECT
    $vlocity_cmt__QuotePricingAdjustment__c + ordinal AS number,
    quote_line_created AS created,
    quote_line_deleted AS deleted,
    gone_at,
    quote AS vlocity_cmt__QuoteId__c,
    quote_line AS vlocity_cmt__QuoteItemId__c,
    unit_price - market_price AS vlocity_cmt__Amount__c
FROM adjusted
