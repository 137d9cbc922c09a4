"""Configures the libraries before any test imports one."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"  # Keras reads this once, on import
