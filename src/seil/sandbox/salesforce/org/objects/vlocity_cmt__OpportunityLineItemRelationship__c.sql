WITH listed AS (
    SELECT
        line.d,
        line.line,
        line.position,
        row_number() OVER (ORDER BY line.line) AS opportunity_product
    FROM line
    WHERE line.position <= 8
),

related AS (
    SELECT
        *,
        row_number() OVER (ORDER BY line) AS ordinal
    FROM listed
    WHERE position > 1 AND chance(line, 'related', 0.12)
)

SELECT
    $vlocity_cmt__OpportunityLineItemRelationship__c + ordinal AS number,
    deal.opportunity_created AS created,
    deal.opportunity_deleted AS deleted,
    deal.gone_at,
    deal.number AS vlocity_cmt__OpportunityId__c,
    $OpportunityLineItem + opportunity_product AS vlocity_cmt__OpportunityLineItemId__c,
    $OpportunityLineItem + opportunity_product - 1 AS vlocity_cmt__RelatedOpportunityLineItemId__c
FROM related
INNER JOIN deal ON related.d = deal.d
