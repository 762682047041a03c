-- Accounts before they are records: how many contacts and ad servers each has.
CREATE TEMP TABLE account_draft AS
WITH drawn AS (
    SELECT
        number,
        between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'account age'), 3)) AS created,
        chance(number, 'account deleted', 0.015) AS deleted,
        CASE
            WHEN chance(number, 'no contacts', 0.06) THEN 0
            ELSE ranked(number, 'contacts', 12)
        END AS contacts,
        below(number, 'ad servers', 4) AS ad_servers
    FROM range(1, $accounts + 1) AS numbers(number)
)

SELECT
    *,
    CAST(sum(contacts) OVER before AS BIGINT) - contacts AS contacts_before,
    CAST(sum(ad_servers) OVER before AS BIGINT) - ad_servers AS ad_servers_before
FROM drawn
WINDOW before AS (ORDER BY number ROWS UNBOUNDED PRECEDING);
