-- Every value is drawn from the record's number, a word that names the draw, and the seed: the
-- same three give the same value, whatever the number of threads.
CREATE TEMP MACRO roll(number, salt) AS
    hash(xor(CAST(number AS UBIGINT), hash(salt || '$seed')));

CREATE TEMP MACRO below(number, salt, ceiling) AS
    CAST(roll(number, salt) % CAST(ceiling AS UBIGINT) AS BIGINT);

-- Evenly in [0, 1).
CREATE TEMP MACRO share(number, salt) AS
    CAST(roll(number, salt) % 1000000 AS DOUBLE) / 1000000;

CREATE TEMP MACRO chance(number, salt, probability) AS
    roll(number, salt) % 1000000 < CAST(probability * 1000000 AS UBIGINT);

CREATE TEMP MACRO one_of(number, salt, choices) AS
    list_extract(choices, 1 + below(number, salt, len(choices)));

-- 1 to ceiling, the r-th about as often as 1/r: a few get most (Zipf).
CREATE TEMP MACRO ranked(number, salt, ceiling) AS
    least(ceiling, CAST(floor(power(ceiling + 1, share(number, salt))) AS BIGINT));

-- The point of time that lies this share of the way from one to the other, in whole milliseconds.
CREATE TEMP MACRO between_times(earlier, later, part) AS
    earlier + to_milliseconds(CAST(floor(part * greatest(0, epoch_ms(later) - epoch_ms(earlier))) AS BIGINT));

CREATE TEMP MACRO long_text(number, salt) AS
    left(
        repeat(
            one_of(number, salt, ['Über lange Texte: "Anführung", Komma, ', E'Line one\r\nLine two\nLine three ', 'A long note with an emoji 🎬 in it. ']),
            1000
        ),
        32000
    );

-- What the org's own clock shows as `shown`, in UTC.
CREATE TEMP MACRO local_time(shown) AS timezone('UTC', timezone('$time_zone', CAST(shown AS TIMESTAMP)));

-- The day in the org on which something happens.
CREATE TEMP MACRO local_day(happens) AS CAST(timezone('$time_zone', timezone('UTC', happens)) AS DATE);
