"""Base classes of Support's administration, for accounts and the packages above it."""
