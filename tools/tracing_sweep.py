"""Trace every architecture of transformers with its default configuration, and print how many are traced fully.

`python -m tools.tracing_sweep [MODEL_TYPE ...]` takes some minutes, and needs `make .venv/models`.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter

from rich.progress import track

from service.checkpoints.tracing.sources import from_transformers


def main(model_types: list[str]) -> None:
    """Trace the given model types, or all."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    counts: Counter[str] = Counter()
    tensors = untraced_tensors = 0
    for model_type in track(model_types or sorted(CONFIG_MAPPING_NAMES), description="tracing"):
        try:
            traced = from_transformers({"model_type": model_type})
        except Exception as error:  # a default configuration that does not build, or a missing library
            counts["does not build"] += 1
            print(f"{model_type}: {type(error).__name__}: {str(error)[:300]}")
            if model_types:
                traceback.print_exc()
            continue
        counts["traced in part" if traced.untraced else "traced fully"] += 1
        tensors += len(traced.entries)
        untraced_tensors += len(traced.untraced)
        if traced.untraced:
            print(f"{model_type}: {len(traced.untraced)} of {len(traced.entries)} untraced: {', '.join(traced.untraced[:3])}")
    print(dict(counts), f"{untraced_tensors} of {tensors} tensors untraced")


if __name__ == "__main__":
    main(sys.argv[1:])
