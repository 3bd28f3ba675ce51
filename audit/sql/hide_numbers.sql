-- Phone numbers hidden in SQL, for filters alone: who may not see a number may not find out by looking for it. The same
-- rule as core/phone_masking.py; a test holds the two against each other.
CREATE FUNCTION audit_hide(given text, digits integer, side text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100000 AS $$
DECLARE
    shortest constant integer := greatest(7, digits + 1);
    position integer := 1;
    run integer;    -- where a run of digits begins
    after integer;  -- and the place after it
    number integer; -- where the phone number in it begins
    hidden integer;
BEGIN
    LOOP
        run := regexp_instr(given, '[0-9]{7,}', position);
        IF run = 0 THEN
            RETURN given;
        END IF;
        after := regexp_instr(given, '[0-9]{7,}', position, 1, 1);
        number := CASE
            -- The digits of a percent-escape are not the number's, unless it would be none without them.
            WHEN substr(given, run - 1, 1) = '%' AND after - run - 2 BETWEEN shortest AND 15 THEN run + 2
            WHEN run > 2 AND substr(given, run - 2, 2) COLLATE "C" ~ '^%[0-9A-Fa-f]$' THEN run + 1
            WHEN run > 3 AND substr(given, run - 3, 3) COLLATE "C" ~ '^%[0-9A-Fa-f]{2}$' THEN run
            WHEN run > 1 AND substr(given, run - 1, 1) COLLATE "C" ~ '[A-Za-z0-9_-]' THEN 0
            ELSE run
        END;
        IF number > 0 AND after - number BETWEEN shortest AND 15
            AND substr(given, after, 1) COLLATE "C" !~ '[A-Za-z0-9_-]'
            AND substr(given, 1, run - 1) !~ '(^|[?&])expires=$'
        THEN
            hidden := after - number - digits;
            IF side = 'first' THEN
                number := number + digits;
            END IF;
            given := overlay(given placing repeat('X', hidden) from number for hidden);
        END IF;
        position := after;
    END LOOP;
END $$;
