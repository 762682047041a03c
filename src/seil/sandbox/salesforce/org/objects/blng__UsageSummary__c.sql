WITH summed AS (
    SELECT
        line.*,
        deal.account,
        row_number() OVER (ORDER BY line.order_line) AS ordinal
    FROM line
    INNER JOIN deal ON line.d = deal.d
    WHERE line.order_line IS NOT NULL AND chance(line.line, 'summed', 0.2)
)

SELECT
    $blng__UsageSummary__c + ordinal AS number,
    order_line_created AS created,
    order_line_deleted AS deleted,
    gone_at,
    'US-' || lpad(CAST($blng__UsageSummary__c + ordinal AS VARCHAR), 8, '0') AS "Name",
    account AS blng__Account__c,
    order_number AS blng__Order__c,
    order_line AS blng__OrderProduct__c,
    'US' || ($blng__UsageSummary__c + ordinal) AS blng__UniqueId__c,
    start_date AS blng__SummaryStartDate__c,
    end_date AS blng__SummaryEndDate__c,
    units AS blng__TotalQuantity__c,
    unit_price AS blng__UnitPrice__c,
    unit_price * units AS blng__Subtotal__c
FROM summed
