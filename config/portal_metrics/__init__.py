"""Metrics of the portal for Prometheus: counters of its requests, and the state of the installation's database."""
