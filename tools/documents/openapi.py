"""The OpenAPI document of a service with default settings, regardless of the environment."""

from __future__ import annotations

import json

from service.settings import Settings
from service.web.app import create_app


def document() -> str:
    """Return the document as JSON. Its keys are not sorted, because the first of several content types is the default."""
    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=2, ensure_ascii=False) + "\n"
