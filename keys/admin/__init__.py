"""Support's admin pages of keys, accounts and users."""
