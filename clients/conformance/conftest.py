"""Keeps pytest from collecting the generators' programs."""

collect_ignore = ["generators"]  # use_client.py imports a client that exists only after a test generates it
