"""One search over keys, users, IP lists, addresses, calls, events and pages of the portal."""
