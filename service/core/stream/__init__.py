"""The random stream, version 1: the value of any element of any tensor, on any machine. STREAM.md specifies it.

philox           random words: 32 bits for each (seed, tensor name, index)
quantiles        turns a word into a uniform, normal or truncated normal number
portable         rounds results of a mathematical library, so that they are equal on every machine
distributions    loc + scale·draw, with its moments and bounds
reflections      multiplies columns by Householder reflections, with sums in a fixed order
view             selects the elements of a tensor to read: a layout or a slice
numpy_engine     fills arrays with NumPy: the specification that runs
kernels/         fills arrays with compiled code: the same bytes, faster
engines          selects one of the two engines
"""
