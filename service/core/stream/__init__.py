"""The random stream, version 1: the value of any element of any tensor, on any machine. STREAM.md specifies it.

philox           random words: 32 bits for each (seed, tensor name, index)
quantiles        a word becomes a uniform, normal or truncated normal number
portable         numbers of a mathematical library, made the same on every machine
distributions    loc + scale·draw, with its moments and bounds
view             which elements of a tensor are read: a layout, a slice
numpy_engine     fills arrays with NumPy: the specification that runs
kernels/         fills arrays with compiled code: the same bytes, faster
engines          which of the two computes
"""
