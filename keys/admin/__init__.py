"""Support's pages of keys, IP lists and APIs."""
