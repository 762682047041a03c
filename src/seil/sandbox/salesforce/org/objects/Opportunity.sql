WITH worth AS (
    SELECT d, sum(unit_price * units) AS amount, sum(units) AS units
    FROM line
    GROUP BY d
),

staged AS (
    SELECT
        deal.*,
        coalesce(worth.amount, 0) AS amount,
        coalesce(worth.units, 0) AS units,
        CASE
            WHEN has_order THEN 'Closed Won'
            ELSE one_of(deal.number, 'stage', ['Prospecting', 'Qualification', 'Needs Analysis', 'Proposal/Price Quote', 'Negotiation/Review', 'Closed Lost'])
        END AS stage
    FROM deal
    LEFT JOIN worth ON deal.d = worth.d
)

SELECT
    number,
    opportunity_created AS created,
    opportunity_deleted AS deleted,
    gone_at,
    account AS "AccountId",
    owner AS "OwnerId",
    CASE
        WHEN chance(number, 'odd name', 0.01) THEN odd_text(number, 'odd name', 120)
        ELSE one_of(number, 'name', ['Summer', 'Winter', 'Launch', 'Always on', 'Grand Final', 'Cup', 'Back to school']) || ' campaign ' || number
    END AS "Name",
    stage AS "StageName",
    CASE stage
        WHEN 'Closed Won' THEN 100
        WHEN 'Closed Lost' THEN 0
        ELSE 10 + below(number, 'probability', 80)
    END AS "Probability",
    stage LIKE 'Closed%' AS "IsClosed",
    stage = 'Closed Won' AS "IsWon",
    TRUE AS "HasOpportunityLineItem",
    CASE WHEN stage = 'Closed Won' THEN 'Won' WHEN stage = 'Closed Lost' THEN 'Lost' ELSE 'Open' END AS "SWM_Status__c",
    CASE WHEN chance(number, 'amount', 0.95) THEN amount END AS "Amount",
    amount AS "ExpectedRevenue",
    units AS "TotalOpportunityQuantity",
    start_date AS "CloseDate",
    CAST(extract(year FROM start_date) AS BIGINT) AS "FiscalYear",
    CAST(extract(quarter FROM start_date) AS BIGINT) AS "FiscalQuarter",
    extract(year FROM start_date) || ' ' || extract(quarter FROM start_date) AS "Fiscal",
    CASE
        WHEN chance(number, 'long description', 0.002) THEN long_text(number, 'long description')
        WHEN chance(number, 'description', 0.3) THEN odd_text(number, 'description', 32000)
    END AS "Description",
    CASE WHEN chance(number, 'next step', 0.5) THEN odd_text(number, 'next step', 255) END AS "NextStep",
    CASE WHEN chance(number, 'currency', 0.97) THEN one_of(number, 'currencies', ['AUD', 'AUD', 'AUD', 'USD', 'NZD']) END AS "SWM_Currency__c",
    CASE WHEN chance(number, 'ecpm', 0.7) THEN CAST(below(number, 'effective', 500000) * 0.0001 AS DECIMAL(16, 4)) END AS "SWM_eCPM__c",
    1 AS "Pricebook2Id"
FROM staged
