"""What the server logs, and how: uvicorn's own configuration, with this program's loggers beside its own."""

from __future__ import annotations

import copy
from typing import Any

from uvicorn.config import LOGGING_CONFIG


def logging_config() -> dict[str, Any]:
    """For uvicorn's `log_config`: messages of this program on stderr, as uvicorn's."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["weight_init"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
