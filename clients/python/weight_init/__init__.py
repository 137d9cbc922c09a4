"""The Python client of weight-init: initialized neural-network weights as NumPy arrays.

from weight_init import Client

with Client("http://127.0.0.1:8000") as client:
    weights = client.init((256, 784), activation="relu", seed=7)
"""

from weight_init.client import Client
from weight_init.errors import ConnectionFailed, FieldError, InvalidAnswer, ProblemError, WeightInitError
from weight_init.weights import Weights

__version__ = "0.1.0"

__all__ = ["Client", "ConnectionFailed", "FieldError", "InvalidAnswer", "ProblemError", "WeightInitError", "Weights"]
