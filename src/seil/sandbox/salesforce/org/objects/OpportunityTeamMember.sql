WITH listed AS (
    SELECT
        deal.*,
        unnest(range(1, 1 + ranked(deal.number, 'team', 5))) AS position
    FROM deal
),

numbered AS (
    SELECT
        *,
        row_number() OVER (ORDER BY d, position) AS ordinal
    FROM listed
),

users AS (SELECT count(*) AS users FROM pick_user)

SELECT
    $OpportunityTeamMember + ordinal AS number,
    opportunity_created AS created,
    opportunity_deleted AS deleted,
    gone_at,
    numbered.number AS "OpportunityId",
    pick_user.number AS "UserId",
    'Team member' AS "Name"
FROM numbered, users, pick_user
WHERE pick_user.pick = 1 + (below(numbered.number, 'member', users) + position) % users
