"""Services of notices, one module for each thing that they write."""
