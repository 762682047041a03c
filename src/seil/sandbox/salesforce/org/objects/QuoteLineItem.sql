SELECT
    line.quote_line AS number,
    line.quote_line_created AS created,
    line.quote_line_deleted AS deleted,
    line.gone_at,
    line.quote AS "QuoteId",
    product.id AS "Product2Id",
    product.price_book_entry AS "PricebookEntryId",
    CASE WHEN chance(line.line, 'catalogued', 0.3) THEN product.id END AS vlocity_cmt__Product2Id__c,
    CASE
        WHEN chance(line.line, 'odd item name', 0.005) THEN odd_text(line.line, 'odd item name', 255)
        ELSE left(product.name, 255)
    END AS vlocity_cmt__ItemName__c,
    lpad(CAST(line.position AS VARCHAR), 4, '0') AS vlocity_cmt__LineNumber__c,
    lpad(CAST(line.quote_line AS VARCHAR), 8, '0') AS "LineNumber",
    line.position AS "SortOrder",
    line.units AS "Quantity",
    line.unit_price AS "UnitPrice",
    line.market_price AS "ListPrice",
    line.unit_price * line.units AS "TotalPrice",
    line.unit_price * line.units AS "Subtotal",
    line.unit_price * line.units AS vlocity_cmt__OneTimeTotal__c,
    line.unit_price AS vlocity_cmt__OneTimeCharge__c,
    line.market_price AS "SWM_Market_Price__c",
    line.unit_price AS "SWM_Gross_Unit_Cost__c",
    line.units AS vlocity_cmt__EffectiveQuantity__c,
    CASE WHEN chance(line.line, 'usage', 0.4) THEN line.units END AS vlocity_cmt__UsageQuantity__c,
    one_of(line.line, 'provisioning', ['New', 'New', 'Active', 'Changed', 'Deleted', 'Reserved']) AS vlocity_cmt__ProvisioningStatus__c,
    CASE WHEN chance(line.line, 'approval', 0.7) THEN one_of(line.line, 'approvals', ['Approved', 'Pending', 'Rejected', 'Not Required']) END AS "SWM_Approval_Status__c",
    one_of(line.line, 'buy', ['Guaranteed', 'Guaranteed', 'Non-Guaranteed', 'Programmatic Guaranteed', 'Sponsorship']) AS "Buy_Type__c",
    line.start_date AS "ServiceDate"
FROM line
INNER JOIN pick_product AS product ON line.product = product.pick
WHERE line.quote_line IS NOT NULL
