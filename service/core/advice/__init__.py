"""Advice on an initializer: its effect on the variance, its alternatives, and warnings."""
