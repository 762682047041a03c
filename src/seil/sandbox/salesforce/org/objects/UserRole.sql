SELECT
    number,
    TIMESTAMP '$start' AS created,
    list_extract(['CEO', 'Sales Director', 'Sales Sydney', 'Sales Melbourne', 'Sales Brisbane', 'Sales Perth', 'Ad Operations', 'Campaign Management', 'Finance'], number) AS "Name",
    list_extract(['CEO', 'SalesDirector', 'SalesSydney', 'SalesMelbourne', 'SalesBrisbane', 'SalesPerth', 'AdOperations', 'CampaignManagement', 'Finance'], number) AS "DeveloperName",
    CASE WHEN number = 1 THEN NULL WHEN number IN (3, 4, 5, 6) THEN 2 ELSE 1 END AS "ParentRoleId"
FROM range(1, 10) AS numbers(number)
