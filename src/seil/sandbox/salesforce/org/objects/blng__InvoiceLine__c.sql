SELECT
    invoice_line.number,
    invoice_line.created,
    invoice_line.deleted,
    invoice_line.gone_at,
    'Invoice line ' || invoice_line.number AS "Name",
    invoice_line.invoice AS blng__Invoice__c,
    invoice_line.order_line AS blng__OrderProduct__c,
    product.id AS blng__Product__c,
    'IL' || invoice_line.number AS blng__UniqueId__c,
    invoice_line.units AS blng__Quantity__c,
    invoice_line.unit_price AS blng__UnitPrice__c,
    invoice_line.unit_price * invoice_line.units AS blng__Subtotal__c,
    CAST(invoice_line.unit_price * invoice_line.units * 0.1 AS DECIMAL(18, 2)) AS blng__TaxAmount__c,
    CAST(invoice_line.unit_price * invoice_line.units * 1.1 AS DECIMAL(18, 2)) AS blng__TotalAmount__c,
    invoice_line.start_date AS blng__StartDate__c,
    invoice_line.end_date AS blng__EndDate__c,
    'One-Time' AS blng__ChargeType__c
FROM invoice_line
INNER JOIN pick_product AS product ON invoice_line.product = product.pick
