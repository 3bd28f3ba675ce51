"""The documentation pages of a key: what its holder needs to call the API."""
