"""Activations: the named ones, one row each, and formulas that a user writes. Each has its exact gains."""

from service.core.activations.activation import EXPRESSION, GAIN_CHOICES, Activation, ActivationWithParameters, Gains
from service.core.activations.expression import expressed
from service.core.activations.table import ACTIVATIONS, ASSUMED_ACTIVATION, find_activation

__all__ = [
    "ACTIVATIONS",
    "ASSUMED_ACTIVATION",
    "EXPRESSION",
    "GAIN_CHOICES",
    "Activation",
    "ActivationWithParameters",
    "Gains",
    "expressed",
    "find_activation",
]
