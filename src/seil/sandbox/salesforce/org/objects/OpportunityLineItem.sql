WITH listed AS (
    SELECT
        line.*,
        row_number() OVER (ORDER BY line) AS ordinal
    FROM line
    WHERE position <= 8
)

SELECT
    $OpportunityLineItem + ordinal AS number,
    deal.opportunity_created AS created,
    deal.opportunity_deleted OR chance(listed.line, 'opportunity product deleted', 0.005) AS deleted,
    deal.gone_at,
    deal.number AS "OpportunityId",
    product.id AS "Product2Id",
    product.price_book_entry AS "PricebookEntryId",
    left(product.name, 376) AS "Name",
    product.code AS "ProductCode",
    left(product.name, 255) AS vlocity_cmt__ItemName__c,
    units AS "Quantity",
    unit_price AS "UnitPrice",
    market_price AS "ListPrice",
    unit_price * units AS "TotalPrice",
    unit_price * units AS "Subtotal",
    listed.start_date AS "ServiceDate",
    position AS "SortOrder"
FROM listed
INNER JOIN deal ON listed.d = deal.d
INNER JOIN pick_product AS product ON listed.product = product.pick
