"""Tests the service against its OpenAPI document: valid and invalid requests, generated from it, get the responses that it declares.

FUZZ_EXAMPLES sets how many are generated for each operation, besides those from the document's constraints and examples: `make fuzz`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import Settings
from tests.serving import serving

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

# Small limits, so that thousands of responses take less than a minute. The examples of the document are within them.
SMALL = Settings(engine="numpy", max_tensor_bytes=1 << 20, max_json_elements=1 << 12, max_structured_elements=1 << 12)


@pytest.mark.timeout(0 if "FUZZ_EXAMPLES" in os.environ else 240)
def test_every_response_matches_the_document(tmp_path: Path) -> None:
    program = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run")
    options = ("--checks", "all", "--seed", "7", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color")
    with serving(SMALL) as url:
        done = subprocess.run([*program, f"{url}/openapi.json", *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    match = re.search(r"(\d+) generated", done.stdout)
    assert match is not None
    assert int(match[1]) >= max(2000, 3 * EXAMPLES), "three operations have parameters"
