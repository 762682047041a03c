WITH credited AS (
    SELECT
        *,
        row_number() OVER (ORDER BY number) AS ordinal
    FROM invoice_line
    WHERE chance(number, 'credited', 0.06)
)

SELECT
    $blng__CreditNoteAllocation__c + ordinal AS number,
    created,
    deleted,
    gone_at,
    'CNA-' || lpad(CAST($blng__CreditNoteAllocation__c + ordinal AS VARCHAR), 7, '0') AS "Name",
    credited.number AS blng__InvoiceLine__c,
    CAST(unit_price * (1 + below(credited.number, 'credit', 9)) AS DECIMAL(18, 2)) AS blng__Amount__c,
    -CAST(unit_price * (1 + below(credited.number, 'credit', 9)) AS DECIMAL(18, 2)) AS blng__ImpactAmount__c,
    one_of(credited.number, 'credit type', ['Allocation', 'Allocation', 'Unallocation']) AS blng__Type__c
FROM credited
