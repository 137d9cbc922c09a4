"""The mathematics: streams, draws, schemes, recommendations, virtual tensors. Knows nothing of HTTP, Pydantic or files."""
