"""Limits of the gateway, each with its reason. Times are in seconds. Those of its HTTP server are in
gateway/http/http_limits.py."""

from __future__ import annotations

# Calls

# The longest path and query, together, that is decided on; nginx and HAProxy accept request lines of 8 KiB.
MAX_URI_LENGTH = 8000
# Calls that are decided and inserted together, and calls that wait for it: 4,096 are half a second's work.
MAX_BATCH = 256
MAX_QUEUE = 4096
# While settings change continuously, each try may find a newer epoch; a try takes a moment, so many are allowed.
MAX_GUARD_RETRIES = 100
# For a call to be answered; then it is refused, whatever it waits for. The proxies of deploy/ wait 2 seconds, and a
# refusal that reaches them says more than their own.
CALL_TIMEOUT_SECONDS = 1.75
# For the database to be connected to, and to insert a batch, before the connection is given up.
BATCH_TIMEOUT_SECONDS = 3.0
# For a batch, and what is written after it, to end in any case; then the process is replaced.
STUCK_SECONDS = 20.0

# Calls without a matching secret (gateway/unauthenticated.py)

# Calls a second, of one API ID and of a process, above which they wait for each other and share rows. A client that
# has lost its secret makes a few; guessing makes thousands.
REFUSALS_PER_KEY = 20
REFUSALS_PER_PROCESS = 100
# How long they wait, and how many at most: some 20 rows a second for each API ID and reason, and as many queries for
# API IDs that are not in memory, without a long delay.
REFUSAL_DELAY_SECONDS = 0.05
MAX_DELAYED_REFUSALS = 64
# Delayed refusals answered in one turn of the event loop, some 0.1 ms each with the request that follows it.
DELAYED_REFUSALS_PER_TURN = 1
# Characters of path and query that are logged: sending more costs the client nothing.
MAX_REFUSED_TEXT_LENGTH = 1000

# Explanations (gateway/last_refusal.py)

# Of a key's newest calls, how many are looked through for a refused one: some 20 ms.
MAX_EXPLAINED_CALLS = 5000
# One is looked up at a time; who comes after these is answered without.
MAX_WAITING_EXPLANATIONS = 8
EXPLANATION_TIMEOUT_SECONDS = 0.75

# Health

# Between two probes of readiness: all requests in between get the same answer.
PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 2.0

# Log lines

# Between two lines of the same event and kind of error; the next line says how many were suppressed.
LOG_INTERVAL_SECONDS = 10.0
