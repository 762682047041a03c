WITH named AS (
    SELECT
        number,
        between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'hired'), 2)) AS created,
        CASE WHEN number = 1 THEN 'Integration' ELSE one_of(number, 'first', ['Alex', 'Sam', 'Robin', 'Kim', 'Noor', 'Zoë', 'Lars', 'Mai', 'José', 'Anaïs', 'Şule', '明', 'Björn', 'D''Arcy']) END AS first_name,
        CASE WHEN number = 1 THEN 'User' ELSE one_of(number, 'last', ['Smith', 'O''Neill', 'Müller', 'van der Berg', 'Nguyễn', 'García-López', '王', 'Øster', 'de la Cruz', 'Ivanova', 'Null', 'عمر']) END AS last_name
    FROM range(1, $users + 1) AS numbers(number)
)

-- The first is the integration user that everybody logs in as.
SELECT
    number,
    created,
    first_name || ' ' || last_name AS "Name",
    first_name AS "FirstName",
    last_name AS "LastName",
    CASE WHEN number = 1 THEN 'integration@sandbox.example'
        ELSE 'user' || lpad(CAST(number AS VARCHAR), 5, '0') || '@seil.example' END AS "Username",
    CASE WHEN number = 1 THEN 'integration@sandbox.example'
        ELSE 'user' || lpad(CAST(number AS VARCHAR), 5, '0') || '@example.com' END AS "Email",
    'u' || number AS "Alias",
    'user' || number AS "CommunityNickname",
    'UTF-8' AS "EmailEncodingKey",
    'en_AU' AS "LocaleSidKey",
    'en_US' AS "LanguageLocaleKey",
    'Standard' AS "UserType",
    1 + below(number, 'profile', 5) AS "ProfileId",
    1 + below(number, 'role', 9) AS "UserRoleId",
    CASE WHEN number > 1 THEN 1 + below(number, 'manager', number - 1) END AS "ManagerId",
    number = 1 OR NOT chance(number, 'left', 0.1) AS "IsActive",
    1 AS "CreatedById",
    number AS "LastModifiedById"
FROM named
