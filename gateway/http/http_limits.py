"""Limits of the HTTP server, each with its reason. Times are in seconds.

The peers are proxies: a few addresses that send their secret with each request. A connection is authenticated once a
request on it carried the secret. Until then anybody can be the peer, so it gets little memory and time, and is closed
first when there are too many connections.
"""

from __future__ import annotations

# One request

# Requests of proxies have some 30 header fields and less than 16 KiB; nginx accepts at most 32 KiB from a client.
MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 200
# A verification request has no body; one that comes is read and dropped.
MAX_BODY_BYTES = 64 * 1024
# Bytes parsed at once: a long piece of one stream must not delay the other connections.
MAX_PARSE_BYTES = 16 * 1024
# Unparsed bytes of all unauthenticated connections. Above it, a connection that sends more than MAX_PARSE_BYTES at once
# is aborted. Each may have one piece waiting, of at most 256 KiB.
MAX_UNPARSED_BYTES = 16 * 1024 * 1024
# For a whole request, from its first byte.
READ_TIMEOUT_SECONDS = 10.0

# One connection

# Outstanding responses above which nothing more is read.
MAX_PIPELINED_REQUESTS = 64
# For the first request to begin: proxies connect when they have something to ask.
FIRST_REQUEST_TIMEOUT_SECONDS = 5.0
# Between requests of an authenticated connection: longer than any proxy keeps an idle connection, so that the proxy is
# the side that closes it.
IDLE_TIMEOUT_SECONDS = 75.0
# For the responses to all requests so far: the application has shorter timeouts, so passing it is a fault.
ANSWER_TIMEOUT_SECONDS = 10.0
# For a peer that does not read its responses to read on, and for a rejected one to close.
WRITE_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 2.0
# For a stopping process to keep its connections open, so that a request on its way gets its response, which tells the
# proxy to connect again; a proxy under load sends many on each meanwhile.
DRAIN_SECONDS = 1.0

# All connections of one process

# Some KiB each; fewer where the process may open fewer files (get_max_connections).
MAX_CONNECTIONS = 4096
# Descriptors kept free for the database, the readiness probe and log files that are reopened.
RESERVED_DESCRIPTORS = 16
# Share of them that unauthenticated connections of one address (or of the Unix socket) may take.
UNAUTHENTICATED_SHARE = 0.25
# Pause in accepting when there is no room and no connection to evict.
ACCEPT_PAUSE_SECONDS = 0.25
