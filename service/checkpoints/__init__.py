"""Whole models: a checkpoint is a virtual file of many tensors.

manifest    what is asked for: the tensors, and rules that say how to draw them
rules       which rule covers a tensor
literals    tensors whose values stand in the manifest
checkpoint  the tensors of a manifest, each as the same request to /init would draw it
opening     a checkpoint with its files and documents, from any of these requests
shards      the files of a checkpoint, as the Hugging Face Hub divides and names them
presets/    architectures, a row each, that make a manifest from the fields of a config.json
tracing/    a manifest from the code of any torch model; nothing here imports torch before it is called
"""
