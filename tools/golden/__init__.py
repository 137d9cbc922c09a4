"""The generator of tests/golden/golden.json, whose answers never change."""
