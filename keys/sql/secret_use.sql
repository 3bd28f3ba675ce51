-- Delete a secret's last use together with the secret, in the database: a gateway may be writing it at that moment, and
-- then the deletion waits for the row instead of failing.
ALTER TABLE keys_secretuse ADD CONSTRAINT secret_use_follows_its_secret
    FOREIGN KEY (secret_id) REFERENCES keys_secret (id) ON DELETE CASCADE;
