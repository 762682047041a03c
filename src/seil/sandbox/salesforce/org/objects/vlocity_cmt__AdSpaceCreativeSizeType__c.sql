WITH listed AS (
    SELECT
        $number_of_Id AS spec,
        CreatedDate AS created,
        IsDeleted AS spec_deleted,
        unnest(range(1, below($number_of_Id, 'sizes', 4) + 1)) AS position
    FROM vlocity_cmt__AdSpaceSpecification__c
),

numbered AS (
    SELECT
        *,
        row_number() OVER (ORDER BY spec, position) AS number
    FROM listed
)

SELECT
    number,
    created,
    spec_deleted OR chance(number, 'deleted', 0.01) AS deleted,
    'Size ' || position || ' of space ' || spec AS "Name",
    spec AS vlocity_cmt__AdSpaceSpecificationId__c,
    CASE WHEN NOT chance(number, 'no size', 0.03) THEN 1 + (spec * 5 + position * 7) % 24 END AS vlocity_cmt__AdCreativeSizeTypeId__c,
    position = 1 AS vlocity_cmt__IsDefault__c
FROM numbered
