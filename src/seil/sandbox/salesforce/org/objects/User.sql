WITH named AS (
    SELECT
        number,
        between_times(TIMESTAMP '$start', TIMESTAMP '$until', power(share(number, 'hired'), 2)) AS created,
        one_of(number, 'first', ['Alex', 'Sam', 'Robin', 'Kim', 'Noor', 'Zoë', 'Lars', 'Mai', 'José', 'Anaïs', 'Şule', '明', 'Björn', 'D''Arcy']) AS first_name,
        one_of(number, 'last', ['Smith', 'O''Neill', 'Müller', 'van der Berg', 'Nguyễn', 'García-López', '王', 'Øster', 'de la Cruz', 'Ivanova', 'Null', 'عمر']) AS last_name
    FROM range(1, $users + 1) AS numbers(number)
)

SELECT
    number,
    created,
    first_name || ' ' || last_name AS "Name",
    first_name AS "FirstName",
    last_name AS "LastName",
    'user' || lpad(CAST(number AS VARCHAR), 5, '0') || '@seil.example' AS "Username",
    'user' || lpad(CAST(number AS VARCHAR), 5, '0') || '@example.com' AS "Email",
    'u' || number AS "Alias",
    'user' || number AS "CommunityNickname",
    'UTF-8' AS "EmailEncodingKey",
    'Standard' AS "UserType",
    1 + below(number, 'profile', 5) AS "ProfileId",
    1 + below(number, 'role', 9) AS "UserRoleId",
    CASE WHEN number > 1 THEN 1 + below(number, 'manager', number - 1) END AS "ManagerId",
    NOT chance(number, 'left', 0.1) AS "IsActive",
    1 AS "CreatedById",
    number AS "LastModifiedById"
FROM named
