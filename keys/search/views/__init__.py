"""The search over everything: its page, and what it finds."""
