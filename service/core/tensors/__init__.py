"""Virtual tensors: each element is computed where it is read.

dtypes      the element types
rules       what an element is: a distribution, a copy, a pattern of its index, or a part of a whole
patterns    formulas of the index: identities, interpolations, gate biases
wholes      matrices that are computed at once: orthogonal, sparse
tensor      a rule, a dtype, a view and a seed: the tensor
"""
