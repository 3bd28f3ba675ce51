"""The gateway: verifies API calls for proxies and logs each one. Runs on asyncio, without Django requests or models."""
