"""The features every client must have. A client's tests report the name of each feature they prove."""

from __future__ import annotations

FEATURES = {
    "golden": "the golden requests return their golden values, compared by the SHA-256 of the array's bytes",
    "wide": "float64 natively; float16 and bfloat16 widened exactly to float32, with the original bits available",
    "seed": "seeds up to 2^64 - 1 keep every digit, including one that the service chose",
    "slice": "a slice equals the same slice of the whole tensor",
    "advice": "recommend, schemes and activations",
    "download": "a file of any size is complete or absent, and has its golden SHA-256",
    "error": "an error has status, title, detail and the fields at fault",
    "key": "the API key is sent; without it the error has status 401",
    "retry": "a request refused with 429 is retried after Retry-After",
    "busy": "a request refused with 503 is retried up to the limit, then fails",
    "resume": "a connection that keeps breaking is resumed where it broke, into an array and into a file",
    "timeout": "a server that hangs causes an error after the timeout",
    "nobody": "the error says when nothing listens at the URL, and when another service responds",
    "npy": "reads .npy versions 1, 2 and 3, C and Fortran order, both byte orders, rank 0 and empty arrays; refuses other files",
}
