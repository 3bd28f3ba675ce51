"""Metrics of the portal for Prometheus: what its requests did, and the state of the installation's database."""
