-- The state of the verification, one row: `body` is JSON, `mac` its HMAC under the audit key `key_id`.
-- audit/trail/verification_state.py writes it as the owner.
CREATE TABLE audit_verification (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    body text NOT NULL,
    key_id integer NOT NULL,
    mac bytea NOT NULL
);
