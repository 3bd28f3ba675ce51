"""Every limit of the gateway, each with its reason. Times are seconds.

The gateway's peers are proxies, a few addresses that prove themselves with each question. A connection is *proved* once
a question on it brought the proxy's secret; until then anybody may be at its other end, so it costs little, ends soon
and goes first when there are too many.
"""

from __future__ import annotations

# One request

# Real questions have some 30 header fields and less than 16 KiB; nginx takes 32 KiB of headers from a client at most.
MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 200
# A question has no body; what comes is read and dropped.
MAX_BODY_BYTES = 64 * 1024
# The parser is fed so much at once: a long piece of a stream must not keep the other connections waiting.
MAX_PARSE_BYTES = 16 * 1024
# Bytes of unproved connections that wait for their turn to be parsed; above it who sends more than MAX_PARSE_BYTES at
# once is cut off. Each may have one piece, of 256 KiB at most.
MAX_UNPARSED_BYTES = 16 * 1024 * 1024
# For a request to arrive whole, counted from its first byte, however many follow.
READ_TIMEOUT_SECONDS = 10.0
# The longest path and query together that is decided on; nginx and HAProxy take 8 KiB of a request line.
MAX_URI_LENGTH = 8000

# One connection

# Answers that it may wait for before no more is read from it.
MAX_PIPELINED_REQUESTS = 64
# For the first request to begin: proxies connect because they have something to ask.
FIRST_REQUEST_TIMEOUT_SECONDS = 5.0
# Between requests, once proved: longer than any proxy keeps an idle connection, so that it is the proxy that closes it.
IDLE_TIMEOUT_SECONDS = 75.0
# For a peer that does not read its answers to read on, and for a refused one to hang up.
WRITE_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 2.0

# All connections of one process

# Some KiB each; fewer where the process may open fewer files (get_max_connections).
MAX_CONNECTIONS = 4096
# Descriptors left for the database, the readiness probe, a log that is opened again.
RESERVED_DESCRIPTORS = 16
# Part of them that may be unproved connections of one address (or of the Unix socket). Proved ones do not count.
UNAUTHENTICATED_SHARE = 0.25
# Without accepting, when there is neither room nor anybody to send away.
ACCEPT_PAUSE_SECONDS = 0.25

# Calls

# Calls that are decided and written together, and that wait for it: 4,096 are half a second's work.
MAX_BATCH = 256
MAX_QUEUE = 4096
# Under continuous changes every try may find a newer epoch; each is a moment's work, so many are allowed.
MAX_GUARD_RETRIES = 100
# For the database to write a batch. Whoever waited longer is refused.
BATCH_TIMEOUT_SECONDS = 3.0

# Calls without a matching secret (gateway/unauthenticated.py). Above these in one second, of one API ID and of a
# process, they wait for each other and share rows. A client that has lost its secret makes a few; guessing makes
# thousands.
REFUSALS_PER_KEY = 20
REFUSALS_PER_PROCESS = 100
# How long they wait, and how many at most: some 40 rows a second for each API ID and reason; answers in good time.
REFUSAL_DELAY_SECONDS = 0.025
MAX_DELAYED_REFUSALS = 64
# Of them that are answered in one turn of the event loop, each some 0.1 ms with the question that follows it.
DELAYED_REFUSALS_PER_TURN = 2
# Characters of path and query that are logged of a call without a matching secret: its sender pays nothing for more.
MAX_REFUSED_TEXT_LENGTH = 1000

# Questions about the gateway itself

# Between two probes of readiness: the answer is shared by all who ask meanwhile.
PROBE_INTERVAL_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 2.0
# `maintain` runs every hour: missing twice in a row, it is late.
MAINTAIN_LATE_SECONDS = 2 * 3600.0

# Its log

# Between two lines that say the same of the same cause; the next one says how many were left out.
LOG_INTERVAL_SECONDS = 10.0
