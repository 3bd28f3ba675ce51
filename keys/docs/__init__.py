"""The documentation of each key: what its holder needs to call the API."""
