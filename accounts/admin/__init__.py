"""Support's administration: what accounts and the packages above it build their pages from."""
