"""The mathematics: streams, draws, schemes, recommendations and virtual tensors. It does not depend on HTTP, Pydantic or files."""
