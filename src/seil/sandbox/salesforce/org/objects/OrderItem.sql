SELECT
    line.order_line AS number,
    line.order_line_created AS created,
    line.order_line_deleted AS deleted,
    line.gone_at,
    line.order_number AS "OrderId",
    CASE WHEN NOT chance(line.line, 'no product', 0.003) THEN product.id END AS "Product2Id",
    product.price_book_entry AS "PricebookEntryId",
    line.quote_line AS "QuoteLineItemId",
    CASE
        WHEN chance(line.line, 'odd item name', 0.005) THEN odd_text(line.line, 'odd item name', 255)
        ELSE left(product.name, 255)
    END AS vlocity_cmt__ItemName__c,
    lpad(CAST(line.order_line AS VARCHAR), 10, '0') AS "OrderItemNumber",
    lpad(CAST(line.position AS VARCHAR), 4, '0') AS vlocity_cmt__LineNumber__c,
    line.units AS "Quantity",
    CASE WHEN chance(line.line, 'available', 0.9) THEN line.units END AS "AvailableQuantity",
    line.unit_price AS "UnitPrice",
    line.market_price AS "ListPrice",
    line.unit_price * line.units AS "TotalPrice",
    line.unit_price * line.units AS vlocity_cmt__OneTimeTotal__c,
    line.unit_price AS vlocity_cmt__OneTimeCharge__c,
    line.market_price AS "SWM_Market_Price__c",
    CAST(line.market_price * 0.8 AS DECIMAL(18, 2)) AS "SWM_Floor_Rate__c",
    one_of(line.line, 'action', ['Add', 'Add', 'Add', 'Change', 'Disconnect', 'Existing']) AS vlocity_cmt__Action__c,
    CASE WHEN line.position > 1 AND chance(line.line, 'part', 0.05) THEN $order_item_parent_id END AS vlocity_cmt__ParentItemId__c,
    CASE WHEN chance(line.line, 'version', 0.1) THEN $order_item_id END AS vlocity_cmt__FirstVersionOrderItemId__c,
    line.start_date AS "ServiceDate",
    line.end_date AS "EndDate"
FROM line
INNER JOIN pick_product AS product ON line.product = product.pick
WHERE line.order_line IS NOT NULL
