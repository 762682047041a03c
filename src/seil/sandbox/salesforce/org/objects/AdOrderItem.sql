SELECT
    placement.ad_order_item AS number,
    placement.created,
    placement.deleted,
    placement.gone_at,
    'Ad order item ' || placement.ad_order_item AS "Name",
    placement.order_number AS "OrderId",
    placement.order_line AS "OrderItemId",
    placement.quote_line AS "QuoteLineItemId",
    CASE WHEN placement.ad_line IS NOT NULL THEN CAST(3000000000 + placement.order_number * 3 AS VARCHAR) END AS "AdServerOrderIdentifier",
    CAST(placement.ad_line AS VARCHAR) AS "AdServerOrderLineIdentifier",
    one_of(placement.number, 'system', ['GAM', 'GAM', 'GAM', 'Freewheel', 'Landmark', 'Manual']) AS "Production_System__c",
    one_of(placement.number, 'ad status', ['Draft', 'Ready', 'Delivering', 'Delivering', 'Paused', 'Completed', 'Canceled']) AS "SWM_Status__c",
    local_time(placement.start_date) AS "AdRequestedStartDate",
    local_time(placement.end_date) AS "AdRequestedEndDate",
    placement.units AS "AdRequestedQuantity",
    placement.unit_price AS "ImpliedRate",
    placement.unit_price * placement.units AS "ImpliedTotal",
    'Digital' AS "MediaType",
    'CPM' AS "PricingModel"
FROM placement
WHERE placement.ad_order_item IS NOT NULL
