"""Django's PostgreSQL backend over the embedded server (config/embedded/server.py)."""
