"""The README.md of a repository: a model card that says that the model is untrained."""

from __future__ import annotations

from service.checkpoints.opening import Opened


def card_of(opened: Opened, commit: str) -> str:
    """Return the text of the card, in Markdown with the metadata of the Hub in front."""
    summary = opened.summary
    rules = "\n".join(
        f"| `{rule['match']}` | {rule['scheme']} | {'' if rule['stddev'] is None else format(rule['stddev'], '.4g')} | {rule['tensors']} |"
        for rule in summary["rules"]
    )
    library = "transformers" if opened.model is not None and opened.model.architecture.library == "transformers" else "pytorch"
    return f"""\
---
library_name: {library}
tags:
- untrained
- weight-init
---

# {summary["model"]}, untrained

**These are initial weights. The model has learned nothing**, and its output is noise. Train it, or use it where only the shapes matter,
as in a benchmark of an engine for inference. Do not take it for the trained model of this name.

The weights are computed while they are downloaded. The same revision gives the same bytes on every machine, for ever.

| Field | Value |
|---|---|
| commit | `{commit}` |
| seed | {summary["seed"]} |
| dtype | {summary["dtype"]} |
| variant | {summary["variant"]} |
| parameters | {summary["parameters"]:,} |
| tensors | {summary["tensors"]:,} |

Another seed is another revision, and so is a changed field of config.json: `revision="seed=7,dtype=bfloat16"`.

## How the tensors are drawn

| Tensors | Scheme | Standard deviation | Number |
|---|---|---|---|
{rules}
"""
