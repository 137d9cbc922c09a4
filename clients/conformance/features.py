"""What every client must do. A test of a client reports the name of each feature that it has shown."""

from __future__ import annotations

FEATURES = {
    "golden": "every golden request has its golden values: the SHA-256 of what arrives in the array",
    "wide": "float64 natively; float16 and bfloat16 widened to float32 without a change, and their bits reachable",
    "seed": "seeds up to 2^64 - 1, and the seed that the service chose, without losing a digit",
    "slice": "a slice is that slice of the whole",
    "advice": "recommend, schemes and activations",
    "download": "a file of any size, whole or not at all, with its golden SHA-256",
    "error": "an error has status, title, detail and the fields at fault",
    "key": "an API key is sent; without it the error says 401",
    "retry": "429 is asked again after Retry-After",
    "busy": "503 is asked again so many times and no more, and is then an error",
    "resume": "a connection that breaks, again and again, is resumed where it broke, into an array and into a file",
    "timeout": "a server that hangs is an error after the timeout",
    "nobody": "where nobody listens, and where another service answers, the error says so",
    "npy": ".npy of versions 1, 2 and 3, C and Fortran order, both byte orders, rank 0 and empty; others are refused",
}
