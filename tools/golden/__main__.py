"""`python -m tools.golden` appends the answers of new requests to tests/golden/golden.json. It never changes an existing answer."""

from __future__ import annotations

from tools.golden.answers import append_new

if __name__ == "__main__":
    added, total = append_new()
    print(f"{added} new of {total}")
