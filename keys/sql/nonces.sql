-- Nonces of signed requests. Gateways write them in the statement that writes the call's row, and sweep them.
CREATE TABLE gateway_nonce (
    key_id text NOT NULL,
    nonce text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX gateway_nonce_until ON gateway_nonce (until);
