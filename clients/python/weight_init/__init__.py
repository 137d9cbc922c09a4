"""The Python client of weight-init: initialized neural-network weights as NumPy arrays.

from weight_init import Client

with Client() as client:
    weights = client.init((256, 784), activation="relu", seed=7)
"""

from weight_init.client import AsyncClient, Client
from weight_init.errors import ConnectionFailed, FieldError, InvalidAnswer, ProblemError, TimedOut, WeightInitError
from weight_init.weights import Weights

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectionFailed",
    "FieldError",
    "InvalidAnswer",
    "ProblemError",
    "TimedOut",
    "WeightInitError",
    "Weights",
]
