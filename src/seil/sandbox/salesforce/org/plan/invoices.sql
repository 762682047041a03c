-- Invoices of orders, and the lines of the order that each bills.
CREATE TEMP TABLE invoice_line AS
WITH billed AS (
    SELECT
        line.line,
        line.order_line,
        line.order_number,
        line.product,
        line.units,
        line.unit_price,
        line.start_date,
        line.end_date,
        line.order_line_deleted,
        line.order_line_created,
        line.gone_at,
        deal.account,
        -- Up to three invoices an order, by thirds of its lines; every fourth order is not billed.
        deal.number * 3 + (line.position - 1) * 3 // greatest(1, deal.order_lines) AS bill
    FROM line
    INNER JOIN deal ON line.d = deal.d
    WHERE line.order_line IS NOT NULL AND NOT chance(deal.number, 'not billed', 0.25) AND chance(line.line, 'billed', 0.7)
)

SELECT
    * EXCLUDE (bill, line, order_line_deleted, order_line_created),
    $blng__Invoice__c + dense_rank() OVER (ORDER BY bill) AS invoice,
    $blng__InvoiceLine__c + row_number() OVER (ORDER BY bill, line) AS number,
    order_line_deleted OR chance(bill, 'invoice deleted', 0.005) AS deleted,
    between_times(order_line_created, TIMESTAMP '$until', 0.4) AS created
FROM billed;

CREATE TEMP TABLE invoice AS
SELECT
    invoice AS number,
    max(created) AS created,
    bool_and(deleted) AS deleted,
    max(gone_at) AS gone_at,
    min(account) AS account,
    min(order_number) AS order_number,
    sum(unit_price * units) AS total,
    count(*) AS lines
FROM invoice_line
GROUP BY invoice;
