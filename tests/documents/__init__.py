"""The generated parts of the documents. `python -m tests.documents` writes them, with `--check` it only compares."""
