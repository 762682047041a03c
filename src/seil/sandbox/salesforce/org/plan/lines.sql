-- A line of a deal: quoted, ordered or both. `line` is unique in the batch and in all before it.
CREATE TEMP TABLE line AS
WITH products AS (SELECT count(*) AS products FROM pick_product),

listed AS (
    SELECT
        deal.d,
        deal.number AS deal,
        unnest(range(1, greatest(deal.quote_lines, deal.order_lines) + 1)) AS position
    FROM deal
),

numbered AS (
    SELECT
        listed.d,
        CAST(listed.position AS SMALLINT) AS position,
        listed.deal * 1000 + listed.position AS line,
        CASE WHEN listed.position <= deal.quote_lines THEN $QuoteLineItem + deal.quote_lines_before + listed.position END AS quote_line,
        CASE WHEN listed.position <= deal.order_lines THEN $OrderItem + deal.order_lines_before + listed.position END AS order_line,
        deal.quote,
        deal.order_number,
        deal.quote_created,
        deal.order_created,
        deal.start_date,
        deal.end_date,
        deal.order_deleted,
        deal.quote_deleted,
        deal.gone_at
    FROM listed
    INNER JOIN deal ON listed.d = deal.d
),

drawn AS (
    SELECT
        numbered.* EXCLUDE (start_date, end_date, order_deleted, quote_deleted, gone_at, quote_created, order_created),
        quote_deleted OR chance(line, 'quote line deleted', 0.006) AS quote_line_deleted,
        order_deleted OR chance(line, 'order line deleted', 0.006) AS order_line_deleted,
        gone_at,
        between_times(order_created, TIMESTAMP '$until', least(0.4, share(line, 'added') * 0.1)) AS order_line_created,
        between_times(quote_created, order_created, share(line, 'quoted') * 0.5) AS quote_line_created,
        ranked(line, 'product', products.products) AS product_pick,
        CASE
            WHEN chance(line, 'refund', 0.01) THEN -(1 + CAST(below(line, 'quantity', 50) AS INTEGER))
            ELSE 1 + CAST(below(line, 'quantity', 5000) AS INTEGER)
        END AS units,
        800 + below(line, 'market', 500) AS market_permille,
        1000 - below(line, 'reduced', 300) AS paid_permille,
        start_date + CAST(below(line, 'later', 10) AS INTEGER) AS start_date,
        end_date + 10 AS end_date,
        CAST(CASE
            WHEN chance(line, 'unplanned', 0.05) THEN 0
            WHEN chance(line, 'planned more', 0.12) THEN 2 + below(line, 'planned', 2)
            ELSE 1
        END AS SMALLINT) AS plans,
        CAST(CASE
            WHEN chance(line, 'unplaced', 0.06) THEN 0
            WHEN chance(line, 'placed more', 0.1) THEN 2 + below(line, 'placed', 2)
            ELSE 1
        END AS SMALLINT) AS placements
    FROM numbered, products
),

counted AS (
    SELECT
        * EXCLUDE (plans, placements),
        CASE WHEN quote_line IS NULL THEN 0 ELSE plans END AS plans,
        CASE WHEN order_line IS NULL THEN 0 ELSE placements END AS placements
    FROM drawn
)

SELECT
    counted.* EXCLUDE (product_pick, market_permille, paid_permille),
    product.pick AS product,
    CAST(product.price * market_permille * 0.001 AS DECIMAL(18, 2)) AS market_price,
    CAST(product.price * market_permille * paid_permille * 0.000001 AS DECIMAL(18, 2)) AS unit_price,
    CAST(sum(plans) OVER before AS BIGINT) - plans AS plans_before,
    CAST(sum(placements) OVER before AS BIGINT) - placements AS placements_before
FROM counted
INNER JOIN pick_product AS product ON counted.product_pick = product.pick
WINDOW before AS (ORDER BY line ROWS UNBOUNDED PRECEDING);
