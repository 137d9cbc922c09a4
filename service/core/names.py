"""Two names that look the same are the same."""

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


@lru_cache(maxsize=1024)  # each request asks for a few, and most ask for the same
def name_key(name: str) -> str:
    """A name without its case, underscores, hyphens and spaces; of a library's path, the library and the last part.

    >>> name_key("Leaky-ReLU"), name_key("torch.nn.init.kaiming_normal_"), name_key("tf.keras.initializers.HeNormal")
    ('leakyrelu', 'torch.kaimingnormal', 'keras.henormal')
    """
    parts = re.sub(r"[\s_-]", "", name.casefold()).split(".")
    if len(parts) > 1 and parts[0] in _LIBRARIES:
        return f"{_LIBRARIES[parts[0]]}.{parts[-1]}"
    return ".".join(parts)


def library_of(name: str) -> str | None:
    """The library whose name this is, torch, keras, jax ...; None for a name of nobody's.

    >>> library_of("tf.keras.initializers.HeNormal"), library_of("he_normal")
    ('keras', None)
    """
    library, dot, _ = name_key(name).partition(".")
    return library if dot and library in _LIBRARIES.values() else None
