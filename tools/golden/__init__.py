"""The generator of tests/golden/golden.json: an answer that was given once is given for ever."""
