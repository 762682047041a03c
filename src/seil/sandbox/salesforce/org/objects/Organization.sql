SELECT
    number,
    TIMESTAMP '$start' AS created,
    'SEIL stand-in' AS "Name",
    'Australia' AS "Country",
    'en_AU' AS "DefaultLocaleSidKey",
    'en_US' AS "LanguageLocaleKey",
    '$time_zone' AS "TimeZoneSidKey",
    7 AS "FiscalYearStartMonth",
    CAST(NULL AS VARCHAR) AS "NamespacePrefix",
    'CS5g' AS "InstanceName",
    TRUE AS "IsSandbox",
    FALSE AS "IsReadOnly",
    'Unlimited Edition' AS "OrganizationType"
FROM range(1, 2) AS numbers(number)
