-- A secret's last use goes with the secret, by the database itself: a gateway may be writing it at that moment, and then
-- the deletion waits for the row and takes it along instead of failing.
ALTER TABLE keys_secretuse ADD CONSTRAINT secret_use_follows_its_secret
    FOREIGN KEY (secret_id) REFERENCES keys_secret (id) ON DELETE CASCADE;
