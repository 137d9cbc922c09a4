"""Virtual tensors: an element is computed when it is read.

dtypes      the element types
rules       how elements are computed: from a distribution, as a copy, by a formula of the index, or as part of a whole
patterns    formulas of the index: identities, interpolations, gate biases
wholes      matrices computed at once: orthogonal, sparse
orthonormal the columns of an orthogonal matrix, each computed alone
lines       the rows or columns of a matrix that a slice needs
units       independent weights side by side: stacked, packed, grouped
composed    the rule of a tensor, composed of those of its units
cost        the CPU time of a tensor, estimated before it is computed
tensor      the tensor itself: a rule, a dtype, a view and a seed
"""
