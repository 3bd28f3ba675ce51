"""IP lists: what an entry is, and how lists are read, filtered, imported and exported. Changed by keys.services."""
