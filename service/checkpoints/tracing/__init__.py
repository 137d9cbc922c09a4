"""A manifest from the code of a torch model: the model is built without memory, and what it does to its weights is recorded.

expressions  what the values of a tensor are: drawn from a distribution, or computed from such
memory       what is known of each memory that a tensor has, while the code of a model runs
recorder     records the operations of torch on the meta device
fields       the fields of /init that draw what was recorded
generators   finds values that were drawn outside torch
sources      models of transformers, of timm, of any function, and the names in a safetensors file

Torch is imported when a model is traced, never before. `recorder`, which needs it at once, is imported then too.
"""
