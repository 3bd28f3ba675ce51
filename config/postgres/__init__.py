"""Django's PostgreSQL backend over the embedded server (config/embedded.py)."""
