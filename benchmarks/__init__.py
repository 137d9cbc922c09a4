"""Benchmarks. Each measures a ratio within one run. Tests never depend on time."""
