"""The OpenAPI document of a service with its default settings, whatever the environment says."""

from __future__ import annotations

import json

from service.settings import Settings
from service.web.app import create_app


def document() -> str:
    """In an order that means something: of several types of content the first is the service's own choice."""
    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=2, ensure_ascii=False) + "\n"
