"""The gateway's connection to PostgreSQL, straight over libpq; it imports nothing else of the gateway.

`database.connect` opens a psycopg connection with the session settings on which durability depends.
`connection.LibpqConnection` runs prepared `Statement`s on it, one at a time, with less CPU time than a cursor
(docs/adr/0007-what-a-batch-costs.md), and promises:

- `execute` calls `on_result` with the result or raises what psycopg would raise; a statement that takes longer than
  the timeout ends with an error, also when the server is frozen.
- A connection that the server ends is noticed at once: `closed` becomes true, and a waiting statement fails.
- Everything else that psycopg can do is available through `lend`, while no statement runs.
"""
