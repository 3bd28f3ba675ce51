"""Pages of the documentation of keys: for users, by links without signing in, and the links themselves."""
