WITH totals AS (
    SELECT
        d,
        sum(unit_price * units) AS total,
        sum(market_price * units) AS market_total,
        count(*) AS lines
    FROM line
    WHERE quote_line IS NOT NULL
    GROUP BY d
)

SELECT
    deal.quote AS number,
    deal.quote_created AS created,
    deal.quote_deleted AS deleted,
    deal.gone_at,
    deal.number AS "OpportunityId",
    deal.account AS "AccountId",
    deal.owner AS "OwnerId",
    deal.price_list AS vlocity_cmt__PriceListId__c,
    deal.account AS vlocity_cmt__OpportunityAccountId__c,
    CASE
        WHEN chance(deal.quote, 'odd name', 0.01) THEN odd_text(deal.quote, 'odd name', 255)
        ELSE 'Quote ' || deal.quote || ' v' || (1 + below(deal.quote, 'version', 4))
    END AS "Name",
    lpad(CAST(deal.quote AS VARCHAR), 8, '0') AS "QuoteNumber",
    CASE
        WHEN deal.has_order THEN one_of(deal.quote, 'won', ['Accepted', 'Accepted', 'Approved'])
        ELSE one_of(deal.quote, 'open', ['Draft', 'Needs Review', 'In Review', 'Presented', 'Rejected', 'Denied'])
    END AS "Status",
    CASE WHEN chance(deal.quote, 'approval', 0.85) THEN one_of(deal.quote, 'approvals', ['Approved', 'Approved', 'Pending', 'Rejected', 'Not Submitted']) END AS "Approval_Status__c",
    CASE
        WHEN chance(deal.quote, 'long description', 0.002) THEN long_text(deal.quote, 'long description')
        WHEN chance(deal.quote, 'description', 0.3) THEN odd_text(deal.quote, 'description', 32000)
    END AS "Description",
    CASE WHEN chance(deal.quote, 'po', 0.6) THEN 'PO-' || lpad(CAST(below(deal.quote, 'po number', 100000) AS VARCHAR), 6, '0') END AS vlocity_cmt__PONumber__c,
    CASE WHEN chance(deal.quote, 'addressed', 0.8) THEN odd_text(deal.quote, 'quoted to', 255) END AS "QuoteToName",
    CASE WHEN chance(deal.quote, 'locked', 0.3) THEN deal.owner END AS vlocity_cmt__LockedBy__c,
    CASE WHEN deal.has_order AND chance(deal.quote, 'synced', 0.4) THEN deal.order_number END AS vlocity_cmt__SyncedOrderId__c,
    coalesce(totals.lines, 0) AS "LineItemCount",
    totals.total AS "TotalPrice",
    totals.total AS "Subtotal",
    totals.total AS "GrandTotal",
    totals.total AS "SWM_One_Time_Total__c",
    totals.market_total AS "SWM_Market_Rate_Total__c",
    totals.total AS vlocity_cmt__QuoteTotal__c,
    totals.total AS vlocity_cmt__OneTimeTotal__c,
    1 AS "Pricebook2Id",
    9 AS "RecordTypeId"
FROM deal
LEFT JOIN totals ON deal.d = totals.d
WHERE deal.quote IS NOT NULL
