WITH listed AS (
    SELECT
        number AS account,
        contacts_before,
        created AS account_created,
        deleted AS account_deleted,
        unnest(range(1, contacts + 1)) AS position
    FROM account_draft
    WHERE contacts > 0
),

named AS (
    SELECT
        contacts_before + position AS number,
        account,
        position,
        account_created,
        account_deleted,
        one_of(contacts_before + position, 'first', ['Alex', 'Sam', 'Robin', 'Kim', 'Noor', 'Zoë', 'Lars', 'Mai', 'José', 'Anaïs', 'Şule', '明', 'Björn', NULL]) AS first_name,
        CASE
            WHEN chance(contacts_before + position, 'odd name', 0.01) THEN odd_text(contacts_before + position, 'odd name', 80)
            ELSE one_of(contacts_before + position, 'last', ['Smith', 'O''Neill', 'Müller', 'van der Berg', 'Nguyễn', 'García-López', '王', 'Øster', 'Null', 'True', 'עמית'])
        END AS last_name
    FROM listed
)

SELECT
    number,
    between_times(account_created, TIMESTAMP '$until', share(number, 'met')) AS created,
    account_deleted OR (position > 1 AND chance(number, 'contact deleted', 0.01)) AS deleted,
    CASE WHEN account_deleted OR position = 1 OR NOT chance(number, 'private', 0.02) THEN account END AS "AccountId",
    concat_ws(' ', first_name, last_name) AS "Name",
    first_name AS "FirstName",
    last_name AS "LastName",
    CASE WHEN chance(number, 'email', 0.92) THEN 'contact' || number || '@example.com' END AS "Email",
    CASE WHEN position > 1 THEN number - 1 END AS "ReportsToId",
    4 AS "RecordTypeId"
FROM named
