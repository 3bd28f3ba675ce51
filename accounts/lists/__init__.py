"""How users arrange lists: columns, page sizes, saved filters."""
