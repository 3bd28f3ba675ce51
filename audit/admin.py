"""Support's pages of both logs."""
