"""weight-init: initialized weights for neural networks, the same bytes for the same request, from any language."""

__version__ = "0.1.0"
