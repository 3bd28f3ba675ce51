-- The epoch: a number that advances in the transaction of every change that may affect a decision, and the list of what
-- changed. keys/epoch_triggers.py builds the triggers. Each advance sets a random token, so that a restored or promoted
-- database is never taken for the one that a process knows. Up to 1,000 changes of a transaction are listed; with more,
-- the row 'everything' is. The counter (keyward.epoch_moves) is local to the transaction: whatever a session sets it to,
-- the epoch advances, and no change is left out unless 'everything' is listed.
CREATE TABLE key_epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    n bigint NOT NULL,
    token uuid NOT NULL
);
CREATE TABLE key_change (
    n bigint NOT NULL,
    token uuid NOT NULL,
    kind text NOT NULL,
    id text NOT NULL
);
CREATE INDEX key_change_n_kind ON key_change (n, kind);
INSERT INTO key_epoch (n, token) VALUES (0, gen_random_uuid());
INSERT INTO key_change SELECT n, token, 'start', '' FROM key_epoch;

CREATE FUNCTION key_epoch_move(kind text, id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    now_at bigint;
    moves integer := coalesce(nullif(current_setting('keyward.epoch_moves', true), ''), '0')::integer + 1;
BEGIN
    UPDATE key_epoch SET n = n + 1, token = gen_random_uuid() WHERE xmin <> pg_current_xact_id()::xid;
    IF FOUND THEN
        DELETE FROM key_change c USING key_epoch e WHERE c.n < e.n - 10000;
    END IF;
    SELECT e.n INTO now_at FROM key_epoch e;
    PERFORM set_config('keyward.epoch_moves', moves::text, true);
    IF moves > 1000 THEN
        IF EXISTS (SELECT FROM key_change c WHERE c.n = now_at AND c.kind = 'everything') THEN
            RETURN;
        END IF;
        key_epoch_move.kind := 'everything';
        key_epoch_move.id := '';
    END IF;
    INSERT INTO key_change SELECT e.n, e.token, key_epoch_move.kind, key_epoch_move.id FROM key_epoch e;
END $$;

CREATE FUNCTION key_epoch_watch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    before text := to_jsonb(OLD) ->> TG_ARGV[1];
    after text := to_jsonb(NEW) ->> TG_ARGV[1];
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM key_epoch_move(TG_ARGV[0], before);
    END IF;
    IF TG_OP <> 'DELETE' AND after IS DISTINCT FROM before THEN
        PERFORM key_epoch_move(TG_ARGV[0], after);
    END IF;
    -- Gateways remember API IDs that they found unknown.
    IF TG_TABLE_NAME = 'keys_key' AND TG_OP = 'INSERT' THEN
        PERFORM key_epoch_move('public_id', NEW.public_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION key_epoch_watch_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM key_epoch_move('everything', '');
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION key_epoch_move(text, text) FROM PUBLIC;
