SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'made'), 2)) AS created,
    number = 60 AS deleted,
    'Activity ' || number AS "Name",
    lpad(CAST(number * 10 AS VARCHAR), 5, '0') AS "SWM_Code__c",
    odd_text(number, 'description', 255) AS "SWM_Description__c",
    NOT chance(number, 'inactive', 0.1) AS "SWM_Active__c",
    lpad(CAST(number AS VARCHAR), 8, '0') AS "SWM_GL_Account__c"
FROM range(1, 61) AS numbers(number)
