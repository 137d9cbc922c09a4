"""Formulas in one variable, written by a user. They are parsed by a closed grammar and never executed as code."""

from service.core.activations.expressions.parser import MAX_CHARACTERS, parse
from service.core.activations.expressions.tree import ELEMENTARY, FUNCTIONS, MAX_KINKS, Node, count_operations, kinks, value_and_slope

__all__ = ["ELEMENTARY", "FUNCTIONS", "MAX_CHARACTERS", "MAX_KINKS", "Node", "count_operations", "kinks", "parse", "value_and_slope"]
