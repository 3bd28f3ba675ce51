-- Maintain keys_keylisting, the denormalised sort columns of the list of keys, one row per live key.
CREATE FUNCTION key_listing_of_key() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.deleted_at IS NULL THEN
        INSERT INTO keys_keylisting (key_id, account_id, owner_name, secret_made_at)
        SELECT NEW.id, NEW.account_id, lower(u.nickname), NEW.created_at FROM accounts_user u WHERE u.id = NEW.owner_id;
    ELSIF NEW.deleted_at IS NOT NULL THEN
        DELETE FROM keys_keylisting WHERE key_id = NEW.id;
    ELSE
        UPDATE keys_keylisting l SET owner_name = lower(u.nickname)
        FROM accounts_user u WHERE l.key_id = NEW.id AND u.id = NEW.owner_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION key_listing_of_owner() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE keys_keylisting l SET owner_name = lower(NEW.nickname)
    FROM keys_key k WHERE k.owner_id = NEW.id AND l.key_id = k.id;
    RETURN NULL;
END $$;

CREATE FUNCTION key_listing_of_secret() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE keys_keylisting SET secret_made_at = NEW.created_at WHERE key_id = NEW.key_id;
    RETURN NULL;
END $$;

-- Statement-level, because gateways write uses in batches. Locked rows are skipped instead of waited for: the next use
-- is written a minute later.
CREATE FUNCTION key_listing_of_use() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE keys_keylisting l SET used_at = last.used_at, used_from = last.address
    FROM (
        SELECT DISTINCT ON (s.key_id) s.key_id, used.used_at, used.address
        FROM used JOIN keys_secret s ON s.id = used.secret_id ORDER BY s.key_id, used.used_at DESC
    ) AS last
    WHERE l.key_id = last.key_id AND l.key_id IN (
        SELECT key_id FROM keys_keylisting
        WHERE key_id IN (SELECT s.key_id FROM used JOIN keys_secret s ON s.id = used.secret_id)
        FOR NO KEY UPDATE SKIP LOCKED
    ) AND (l.used_at IS NULL OR l.used_at < last.used_at);
    RETURN NULL;
END $$;

CREATE TRIGGER key_listing_insert AFTER INSERT ON keys_key
    FOR EACH ROW EXECUTE FUNCTION key_listing_of_key();
CREATE TRIGGER key_listing_update AFTER UPDATE OF owner_id, deleted_at ON keys_key FOR EACH ROW
    WHEN (OLD.owner_id IS DISTINCT FROM NEW.owner_id OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
    EXECUTE FUNCTION key_listing_of_key();
CREATE TRIGGER key_listing_owner AFTER UPDATE OF nickname ON accounts_user FOR EACH ROW
    WHEN (OLD.nickname IS DISTINCT FROM NEW.nickname) EXECUTE FUNCTION key_listing_of_owner();
CREATE TRIGGER key_listing_secret AFTER INSERT OR UPDATE OF created_at ON keys_secret FOR EACH ROW
    WHEN (NEW.retires_at IS NULL) EXECUTE FUNCTION key_listing_of_secret();
CREATE TRIGGER key_listing_first_use AFTER INSERT ON keys_secretuse REFERENCING NEW TABLE AS used
    FOR EACH STATEMENT EXECUTE FUNCTION key_listing_of_use();
CREATE TRIGGER key_listing_use AFTER UPDATE ON keys_secretuse REFERENCING NEW TABLE AS used
    FOR EACH STATEMENT EXECUTE FUNCTION key_listing_of_use();
