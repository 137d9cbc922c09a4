"""Activations by name, for tests."""

from __future__ import annotations

from typing import Any

from service.core.activations import ActivationWithParameters, find_activation


def activate(name: str | None, **parameters: Any) -> ActivationWithParameters | None:
    """Return an activation with its parameters; None if there is no name."""
    return None if name is None else find_activation(name)(**parameters)
