-- Nonces of signed requests. Gateways insert them in the statement that inserts the call's row, and delete expired ones.
CREATE TABLE gateway_nonce (
    key_id text NOT NULL,
    nonce text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX gateway_nonce_until ON gateway_nonce (until);
