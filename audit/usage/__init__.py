"""Roll-ups of each key's calls by address, route and outcome: who uses what, and since when not."""
