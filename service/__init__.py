"""weight-init: initialized weights for neural networks. The same request gives the same bytes, from any language."""

__version__ = "0.1.0"
