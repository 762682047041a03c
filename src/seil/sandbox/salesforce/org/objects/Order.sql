WITH totals AS (
    SELECT
        line.d,
        sum(line.unit_price * line.units) AS total,
        sum(line.market_price * line.units) AS market_total,
        count(*) AS lines
    FROM line
    WHERE line.order_line IS NOT NULL
    GROUP BY line.d
),

served AS (
    SELECT d, count(ad_line) AS gam_lines, count(*) - count(ad_line) AS other_lines
    FROM placement
    GROUP BY d
),

linked AS (
    SELECT
        deal.*,
        below(deal.order_number, 'quote link', 100) AS quote_link,
        coalesce(totals.total, 0) AS total,
        coalesce(totals.market_total, 0) AS market_total,
        coalesce(served.gam_lines, 0) AS gam_lines,
        coalesce(served.other_lines, 0) AS other_lines
    FROM deal
    LEFT JOIN totals ON deal.d = totals.d
    LEFT JOIN served ON deal.d = served.d
    WHERE deal.has_order
)

SELECT
    order_number AS number,
    order_created AS created,
    order_deleted AS deleted,
    gone_at,
    CASE WHEN NOT chance(order_number, 'no account', 0.004) THEN account END AS "AccountId",
    owner AS "OwnerId",
    owner AS "CreatedById",
    CASE WHEN NOT chance(order_number, 'no opportunity', 0.06) THEN number END AS "OpportunityId",
    CASE WHEN chance(order_number, 'vlocity opportunity', 0.5) THEN number END AS vlocity_cmt__OpportunityId__c,
    contract AS "ContractId",
    price_list AS vlocity_cmt__PriceListId__c,
    -- The quote is linked twice, once, the other way only, or not at all.
    CASE WHEN quote_link < 60 THEN quote END AS "QuoteId",
    CASE WHEN quote_link < 45 OR quote_link BETWEEN 60 AND 95 THEN quote END AS vlocity_cmt__QuoteId__c,
    1 AS "Pricebook2Id",
    account AS vlocity_cmt__DefaultBillingAccountId__c,
    CASE WHEN chance(order_number, 'activated', 0.7) THEN owner END AS "ActivatedById",
    CASE WHEN chance(order_number, 'activated', 0.7) THEN between_times(order_created, TIMESTAMP '$until', share(order_number, 'activation') * 0.2) END AS "ActivatedDate",
    6 + below(order_number, 'record type', 2) AS "RecordTypeId",
    lpad(CAST(order_number AS VARCHAR), 8, '0') AS "OrderNumber",
    CASE
        WHEN chance(order_number, 'odd name', 0.01) THEN odd_text(order_number, 'odd name', 80)
        WHEN chance(order_number, 'named', 0.9) THEN 'Order ' || order_number
    END AS "Name",
    CASE WHEN chance(order_number, 'master name', 0.7) THEN 'Campaign order ' || order_number || ' – ' || one_of(order_number, 'season', ['Summer', 'Winter', 'Launch "X"', 'Always, on']) END AS vlocity_cmt__MasterOrderName__c,
    one_of(order_number, 'type', ['Direct', 'Direct', 'Agency', 'Agency', 'Programmatic', 'House']) AS "Type",
    CAST(order_created AS DATE) AS "EffectiveDate",
    CASE WHEN NOT chance(order_number, 'open end', 0.05) THEN end_date + 10 END AS "EndDate",
    one_of(order_number, 'status', ['Draft', 'Activated', 'Activated', 'Activated', 'In Approval', 'Cancelled']) AS "Status",
    one_of(order_number, 'order status', ['Draft', 'Ready To Submit', 'In Progress', 'Activated', 'Activated', 'Completed', 'Cancelled']) AS vlocity_cmt__OrderStatus__c,
    CASE WHEN chance(order_number, 'fulfilling', 0.8) THEN one_of(order_number, 'fulfilment', ['DRAFT', 'PENDING_APPROVAL', 'APPROVED', 'APPROVED', 'PAUSED', 'COMPLETED']) END AS vlocity_cmt__FulfilmentStatus__c,
    CASE
        WHEN chance(order_number, 'long description', 0.002) THEN long_text(order_number, 'long description')
        WHEN chance(order_number, 'description', 0.4) THEN odd_text(order_number, 'description', 32000)
    END AS "Description",
    total AS "TotalAmount",
    total AS "SWM_One_Time_Total__c",
    market_total AS "SWM_Market_Rate_Total__c",
    CAST(market_total * 0.8 AS DECIMAL(18, 2)) AS "SWM_Floor_Rate_Total__c",
    total AS vlocity_cmt__OneTimeTotal__c,
    total AS vlocity_cmt__EffectiveOrderTotal__c,
    CASE WHEN chance(order_number, 'discounted', 0.3) THEN CAST(below(order_number, 'discount', 3000) * 0.01 AS DECIMAL(5, 2)) END AS vlocity_cmt__Discount__c,
    gam_lines AS "SWM_GAM_Lines__c",
    other_lines AS "SWM_Non_GAM_Lines__c",
    gam_lines > 0 AS "SWM_Contains_GAM_Lines__c",
    other_lines > 0 AS "SWM_Contains_Non_GAM_Lines__c",
    CASE
        WHEN gam_lines > 0 AND chance(order_number, 'bad ad order', 0.01) THEN 'pending'
        WHEN gam_lines > 0 AND chance(order_number, 'ad order', 0.9) THEN CAST(3000000000 + order_number * 3 AS VARCHAR)
    END AS "SWM_GAMOrderId__c",
    CASE WHEN gam_lines > 0 THEN below(order_number, 'updates', 3) ELSE 0 END AS "SWM_GAMUpdate_After_Complete__c",
    CASE WHEN gam_lines > 0 AND chance(order_number, 'proposal', 0.15) THEN CAST(2500000000 + order_number * 3 AS VARCHAR) END AS "SWM_GAMProposalId__c",
    CASE WHEN gam_lines > 0 AND chance(order_number, 'proposal', 0.15) THEN one_of(order_number, 'proposal status', ['DRAFT', 'PENDING_APPROVAL', 'APPROVED']) END AS "SWM_GAMProposalStatus__c"
FROM linked
