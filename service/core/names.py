"""Compares names regardless of case, underscores, hyphens and spaces."""

from __future__ import annotations

import re
from functools import lru_cache

_LIBRARIES = {
    "torch": "torch",
    "timm": "timm",
    "keras": "keras",
    "tf": "keras",
    "jax": "jax",
    "flax": "jax",
    "nnx": "jax",
    "caffe": "caffe",
}


@lru_cache(maxsize=1024)  # a request looks up a few names, and most requests look up the same ones
def name_key(name: str) -> str:
    """Return the key of a name: in lower case, without underscores, hyphens and spaces.

    The path of a library's function becomes the library and the last part of the path.

    >>> name_key("Leaky-ReLU"), name_key("torch.nn.init.kaiming_normal_"), name_key("tf.keras.initializers.HeNormal")
    ('leakyrelu', 'torch.kaimingnormal', 'keras.henormal')
    """
    parts = re.sub(r"[\s_-]", "", name.casefold()).split(".")
    if len(parts) > 1 and parts[0] in _LIBRARIES:
        return f"{_LIBRARIES[parts[0]]}.{parts[-1]}"
    return ".".join(parts)


def library_of(name: str) -> str | None:
    """Return the library that a name belongs to, such as torch, keras or jax; None if it belongs to none.

    >>> library_of("tf.keras.initializers.HeNormal"), library_of("he_normal")
    ('keras', None)
    """
    library, dot, _ = name_key(name).partition(".")
    return library if dot and library in _LIBRARIES.values() else None
