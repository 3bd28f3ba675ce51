"""Pages of keys, by noun."""
