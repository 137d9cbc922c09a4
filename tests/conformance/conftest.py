"""The libraries as these tests need them, before any test imports one."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads it once, when it is imported
