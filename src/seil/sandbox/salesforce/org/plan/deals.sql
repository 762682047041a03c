-- A deal is an opportunity, most often its quote and contract, and (the first $orders of them) its
-- order. What was never linked stays unlinked: orders without contract, quote, price list or
-- opportunity are part of every real org.
CREATE TEMP TABLE deal AS
WITH counts AS (
    SELECT
        (SELECT count(*) FROM pick_account) AS accounts,
        (SELECT count(*) FROM pick_user) AS users,
        (SELECT count(*) FROM pick_price_list) AS price_lists
),

drawn AS (
    SELECT
        $Opportunity + d AS number,
        d,
        d <= $orders AS has_order,
        chance($Opportunity + d, 'has quote', 0.94) AS has_quote,
        d <= $orders AND chance($Opportunity + d, 'has contract', 0.72) AS has_contract,
        ranked($Opportunity + d, 'account', counts.accounts) AS account_pick,
        ranked($Opportunity + d, 'owner', counts.users) AS owner_pick,
        CASE
            WHEN chance($Opportunity + d, 'has price list', 0.93)
                THEN ranked($Opportunity + d, 'price list', counts.price_lists)
        END AS price_list_pick,
        CASE
            WHEN chance($Opportunity + d, 'huge', 0.012) THEN 50 + below($Opportunity + d, 'huge lines', 151)
            WHEN chance($Opportunity + d, 'single', 0.08) THEN 1
            ELSE least(120, 1 + CAST(floor(-ln(1 - share($Opportunity + d, 'lines')) * 15) AS BIGINT))
        END AS order_lines,
        chance($Opportunity + d, 'recent', 0.07) AS recent
    FROM range(1, $deals + 1) AS deals(d), counts
),

timed AS (
    SELECT
        drawn.*,
        account.number AS account,
        owner.number AS owner,
        price_list.number AS price_list,
        CASE
            WHEN recent
                THEN greatest(
                    account.created,
                    between_times(greatest(TIMESTAMP '$since', TIMESTAMP '$until' - INTERVAL 7 DAY), TIMESTAMP '$until', share(drawn.number, 'recently'))
                )
            ELSE between_times(greatest(TIMESTAMP '$since', account.created), TIMESTAMP '$until', share(drawn.number, 'ordered'))
        END AS order_created,
        greatest(TIMESTAMP '$since', account.created) AS account_created
    FROM drawn
    INNER JOIN pick_account AS account ON drawn.account_pick = account.pick
    INNER JOIN pick_user AS owner ON drawn.owner_pick = owner.pick
    LEFT JOIN pick_price_list AS price_list ON drawn.price_list_pick = price_list.pick
),

dated AS (
    SELECT
        * EXCLUDE (account_pick, owner_pick, price_list_pick, recent, account_created),
        greatest(account_created, order_created - to_milliseconds(below(number, 'quoted', 1728000000))) AS quote_created,
        greatest(account_created, order_created - to_milliseconds(1728000000 + below(number, 'opened', 3456000000))) AS opportunity_created,
        local_day(order_created) + CAST(below(number, 'starts', 45) AS INTEGER) AS start_date,
        chance(number, 'order deleted', 0.013) AS order_deleted,
        chance(number, 'opportunity deleted', 0.009) AS opportunity_deleted,
        chance(number, 'contract deleted', 0.015) AS contract_deleted,
        CASE
            WHEN NOT has_quote THEN 0
            WHEN chance(number, 'quoted more', 0.2) THEN order_lines + 1 + below(number, 'more', 4)
            WHEN chance(number, 'quoted less', 0.1) THEN greatest(1, order_lines - 1)
            ELSE order_lines
        END AS quote_lines
    FROM timed
)

SELECT
    dated.* EXCLUDE (order_lines),
    CASE WHEN has_order THEN order_lines ELSE 0 END AS order_lines,
    opportunity_deleted OR chance(number, 'quote deleted', 0.008) AS quote_deleted,
    start_date + 1 + CAST(below(number, 'runs', 90) AS INTEGER) AS end_date,
    -- Deleted trees carry one time of deletion, later than anything made below them.
    between_times(order_created, TIMESTAMP '$until', 0.5 + share(number, 'gone') / 2) AS gone_at,
    CASE WHEN has_order THEN $Order + d END AS order_number,
    CASE WHEN has_quote THEN $Quote + CAST(sum(CAST(has_quote AS INTEGER)) OVER before AS BIGINT) END AS quote,
    CASE WHEN has_contract THEN $Contract + CAST(sum(CAST(has_contract AS INTEGER)) OVER before AS BIGINT) END AS contract,
    CAST(sum(quote_lines) OVER before AS BIGINT) - quote_lines AS quote_lines_before,
    CAST(sum(CASE WHEN has_order THEN order_lines ELSE 0 END) OVER before AS BIGINT)
    - CASE WHEN has_order THEN order_lines ELSE 0 END AS order_lines_before
FROM dated
WINDOW before AS (ORDER BY d ROWS UNBOUNDED PRECEDING);
