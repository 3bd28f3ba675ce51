"""An HTTP/1.1 server for a few proxies that send many small requests; it imports nothing else of the gateway.

`server.Server(application, report=…)` makes the protocol of each connection, `server.Listener` accepts them. The
application is called with a `messages.Request` and a `messages.Reply`; it replies once, at once or later. The server
promises (docs/adr/0004-http-of-our-own.md, docs/adr/0008-unauthenticated-connections-go-first.md):

- Only a whole, valid request reaches the application. Everything else gets 400, 408, 413 or 431, and the connection is
  closed.
- Responses leave in the order of their requests, also when replies come in another order.
- Every request, connection and process is bounded by http_limits.py. Unauthenticated connections are evicted first and
  never delay authenticated ones.
- `Server.stop` answers the requests that have begun, and ends within its timeout.
"""
