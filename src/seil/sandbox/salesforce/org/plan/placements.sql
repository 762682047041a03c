-- The ad placements of ordered lines. `ad_line` is the ad server's line: what delivery is reported
-- against. Some placements have none yet; some were delivered on no day, some on many.
CREATE TEMP TABLE placement AS
WITH listed AS (
    SELECT
        line.*,
        unnest(range(1, line.placements + 1)) AS position_in_line
    FROM line
    WHERE line.placements > 0
),

drawn AS (
    SELECT
        placements_before + position_in_line AS ordinal,
        $vlocity_cmt__OrderItemAdPlacement__c + placements_before + position_in_line AS number,
        d,
        line,
        order_line,
        quote_line,
        order_number,
        product,
        unit_price,
        market_price,
        units,
        start_date,
        end_date,
        order_line_deleted,
        gone_at,
        order_line_created AS created,
        CASE
            WHEN position_in_line <= plans
                THEN $vlocity_cmt__MediaPlanPlacement__c + plans_before + position_in_line
        END AS plan
    FROM listed
),

served AS (
    SELECT
        *,
        order_line_deleted OR chance(number, 'placement deleted', 0.005) AS deleted,
        CASE WHEN chance(number, 'on ad server', 0.75) THEN 5000000000 + number * 7 END AS ad_line,
        chance(number, 'ad order item', 0.8) AS has_ad_order_item
    FROM drawn
),

delivered AS (
    SELECT
        *,
        CASE
            WHEN ad_line IS NULL OR start_date > CAST(TIMESTAMP '$until' AS DATE) THEN 0
            WHEN chance(number, 'undelivered', 0.3) THEN 0
            ELSE least(
                1 + below(number, 'days', 7),
                1 + date_diff('day', start_date, CAST(TIMESTAMP '$until' AS DATE))
            )
        END AS days
    FROM served
)

SELECT
    *,
    CASE
        WHEN has_ad_order_item
            THEN $AdOrderItem + CAST(sum(CAST(has_ad_order_item AS INTEGER)) OVER before AS BIGINT)
    END AS ad_order_item,
    CAST(sum(days) OVER before AS BIGINT) - days AS days_before
FROM delivered
WINDOW before AS (ORDER BY number ROWS UNBOUNDED PRECEDING);
