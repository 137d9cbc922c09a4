/** The words of the service, as types. It checks the values itself, and knows fields that have no name here. */

/** @import { Dtype } from "./dtypes.js" */

/**
 * The name of a scheme or an activation, or an object of its name and parameters: `{ name: "normal", stddev: 0.02 }`.
 *
 * @typedef {string | { name: string, [parameter: string]: unknown }} Named
 */

/**
 * 0 to 2^64 - 1. Beyond `Number.MAX_SAFE_INTEGER` as a bigint or as decimal digits, since a number has lost some there.
 *
 * @typedef {number | bigint | string} Seed
 */

/**
 * The fields of a tensor beside its shape. What is left out is decided by the service, and told in the metadata. The
 * parameters of the scheme and of the activation stand beside them: `stddev: 0.02`, `negative_slope: 0.2`.
 *
 * @typedef {object} KnownInitFields
 * @property {Named} [scheme] by default the one that fits the activation
 * @property {Named | { expression: string }} [activation] the activation after the layer, or a formula in x
 * @property {string} [layer] what the axes mean: dense, conv, conv_transpose, depthwise, embedding or recurrent
 * @property {number} [groups] a convolution's groups; for depthwise, its channels
 * @property {number} [packed] the matrices stacked along the outputs: 3 for queries, keys and values in one
 * @property {string} [fan_convention] who counts the fans: true, torch, keras or jax
 * @property {string} [layout] torch ([out, in, ...kernel]), or keras, jax or flax ([...kernel, in, out])
 * @property {Dtype} [dtype]
 * @property {Seed} [seed] without one the service chooses, and `Weights.seed` tells
 * @property {string} [name] tensors of different names are independent
 * @property {string} [slice] the part to answer, in NumPy's basic slicing: "128:256, :"
 * @property {number} [fan_in] instead of the shape's own: for a bias, its weight's
 * @property {number} [fan_out] instead of the shape's own
 */

/** @typedef {KnownInitFields & { [parameter: string]: unknown }} InitFields */

/**
 * What a recommendation may be asked for, beside the activation. The parameters of the activation stand beside them.
 *
 * @typedef {object} KnownRecommendFields
 * @property {string} [layer] what the weight is in the network, such as residual_output
 * @property {number} [num_layers] the layers of the network, for what feeds a residual stream
 * @property {number} [class_prior] the share of a class, for a sigmoid head
 * @property {string} [distribution] normal, truncated_normal or uniform
 * @property {number} [fan_in] the inputs of a unit
 * @property {number} [fan_out] the units that an input feeds
 */

/** @typedef {KnownRecommendFields & { [parameter: string]: unknown }} RecommendFields */

/**
 * A scheme, and why. `stddev` is there when the fans are known.
 *
 * @typedef {{ scheme: string, reason: string, reference: string | null, stddev: number | null, [more: string]: any }} Recommendation
 */

/**
 * How a tensor was made, as the service says it.
 *
 * @typedef {object} KnownMetadata
 * @property {string} scheme
 * @property {string} formula
 * @property {number | null} stddev
 * @property {number | string} seed a string beyond 2^53; `Weights.seed` is a bigint
 * @property {number[]} shape
 * @property {Dtype} dtype
 * @property {Recommendation} recommended
 * @property {string[]} warnings what is poor about the scheme for this layer
 */

/** @typedef {KnownMetadata & { [more: string]: any }} Metadata */

/**
 * A scheme or an activation in the service's lists.
 *
 * @typedef {{ name: string, formula: string, reference: string | null, [more: string]: any }} Row
 */

export {};
