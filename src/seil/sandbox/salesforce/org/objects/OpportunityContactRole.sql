WITH roles AS (
    SELECT
        deal.d,
        deal.number AS opportunity,
        deal.opportunity_created,
        deal.opportunity_deleted,
        deal.gone_at,
        contact.id AS contact,
        contact.pick
    FROM deal
    INNER JOIN pick_contact AS contact
        ON $account_id = contact.account AND contact.pick <= 1 + below(deal.number, 'roles', 4)
),

numbered AS (
    SELECT
        *,
        row_number() OVER (ORDER BY d, pick) AS ordinal
    FROM roles
)

SELECT
    $OpportunityContactRole + ordinal AS number,
    opportunity_created AS created,
    opportunity_deleted AS deleted,
    gone_at,
    opportunity AS "OpportunityId",
    contact AS "ContactId",
    pick = 1 AS "IsPrimary"
FROM numbered
