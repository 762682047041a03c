WITH opportunities AS (
    SELECT
        id,
        stagename,
        probability,
        swm_status__c,
        isdeleted,
        createdbyid,
        createddate,
        lastmodifiedbyid,
        lastmodifieddate
    FROM salesforce.opportunity
    WHERE isdeleted IS NOT TRUE
),

users AS (
    SELECT
        id,
        name
    FROM salesforce."user"
)

SELECT
    opportunities.id AS opportunity_id,
    opportunities.id AS sales_stage_id,
    opportunities.stagename AS sales_stage_name,
    opportunities.probability AS sales_stage_percent,
    opportunities.swm_status__c AS status,
    COALESCE(opportunities.isdeleted, FALSE) AS deleted,
    opportunities.createdbyid AS created_by_id,
    creators.name AS created_by,
    opportunities.createddate AS created_on,
    opportunities.lastmodifiedbyid AS last_modified_by_id,
    modifiers.name AS last_modified_by,
    opportunities.lastmodifieddate AS last_modified_on
FROM opportunities
LEFT JOIN users AS creators
    ON opportunities.createdbyid = creators.id
LEFT JOIN users AS modifiers
    ON opportunities.lastmodifiedbyid = modifiers.id
