-- When a record was last changed: a third never, the others mostly soon after they were made;
-- a deleted one when it was deleted. A few are touched later by the system alone.
SELECT
    * EXCLUDE (touched),
    CASE WHEN deleted OR roll(number, 'touched') % 20 > 0 THEN touched
        ELSE between_times(touched, TIMESTAMP '$until', share(number, 'touched later') * 0.05)
    END AS stamped,
    touched AS modified
FROM (
    SELECT
        * EXCLUDE (gone),
        CASE
            WHEN deleted THEN coalesce(gone, between_times(created, TIMESTAMP '$until', 0.5 + share(number, 'gone') / 2))
            WHEN chance(number, 'untouched', 0.35) THEN created
            ELSE between_times(created, TIMESTAMP '$until', power(share(number, 'changed'), 3))
        END AS touched
    FROM (
        SELECT
            * EXCLUDE (@excluded),
            least(TIMESTAMP '$until', created) AS created,
            @deleted AS deleted,
            @gone AS gone
        FROM source
    )
)
