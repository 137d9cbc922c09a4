"""Layers: the kinds, roles, axes and fans of their weights."""
