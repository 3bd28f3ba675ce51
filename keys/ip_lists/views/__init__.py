"""Pages of IP lists."""
