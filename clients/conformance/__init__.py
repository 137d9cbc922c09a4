"""Conformance tests: every client runs its own tests against the same set of real services."""
