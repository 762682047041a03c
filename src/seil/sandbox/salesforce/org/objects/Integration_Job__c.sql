SELECT
    number,
    between_times(TIMESTAMP '$start', TIMESTAMP '$until', share(number, 'ran')) AS created,
    chance(number, 'deleted', 0.02) AS deleted,
    'JOB-' || lpad(CAST(number AS VARCHAR), 6, '0') AS "Name",
    one_of(number, 'status', ['New', 'In Progress', 'Received by TechOne', 'Received by TechOne', 'Failed']) AS "Status__c",
    'Billing Extract' AS "Job_Type__c",
    CASE WHEN chance(number, 'message', 0.3) THEN odd_text(number, 'message', 32768) END AS "Job_Message__c"
FROM range(1, 61) AS numbers(number)
