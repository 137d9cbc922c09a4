"""`python -m tools.documents` writes the generated documents. With `--check` it compares them and fails if one is out of date."""

from __future__ import annotations

import argparse
import sys

from tools.documents.parts import PARTS, ROOT, WHOLES, current_and_expected


def main() -> int:
    """Return the exit status: 1 if a compared document is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.documents", description="Write the generated documents.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a document is out of date")
    check = parser.parse_args().check
    status = 0
    for path in (*PARTS, *WHOLES):
        current, expected = current_and_expected(path)
        if current == expected:
            continue
        if check:
            print(f"{path} is out of date. Run `make documents`.", file=sys.stderr)
            status = 1
        else:
            (ROOT / path).write_text(expected, "utf-8")
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
