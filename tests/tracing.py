"""The modules of service/checkpoints/tracing that import torch, so that they can be imported only where it is installed."""

NEED_TORCH = ("memory", "models", "recorder")
