/** Types for the service's fields. The service validates the values, and accepts fields that are not listed here. */

/** @import { Dtype } from "./dtypes.js" */

/**
 * The name of a scheme or an activation, or an object with its name and parameters: `{ name: "normal", stddev: 0.02 }`.
 *
 * @typedef {string | { name: string, [parameter: string]: unknown }} Named
 */

/**
 * 0 to 2^64 - 1. Above `Number.MAX_SAFE_INTEGER`, use a bigint or a string of digits, because a number loses digits.
 *
 * @typedef {number | bigint | string} Seed
 */

/**
 * The fields of a tensor other than its shape. The service chooses those that are left out; the metadata reports them.
 * The parameters of the scheme and of the activation go next to them: `stddev: 0.02`, `negative_slope: 0.2`.
 *
 * @typedef {object} KnownInitFields
 * @property {Named} [scheme] defaults to the one that fits the activation
 * @property {Named | { expression: string }} [activation] the activation after the layer, or a formula in x
 * @property {string} [layer] what the axes mean: dense, conv, conv_transpose, depthwise, embedding or recurrent
 * @property {number} [groups] a convolution's groups; for depthwise, its channels
 * @property {number | number[]} [packed] the number of matrices packed along the outputs, such as 3 for queries, keys and values in one;
 *   or the outputs of each
 * @property {string} [fan_convention] how to count the fans: true, torch, keras or jax
 * @property {string} [layout] torch ([out, in, ...kernel]), or keras, jax or flax ([...kernel, in, out])
 * @property {string} [axes] a letter for each axis, in place of layout: b (stacked), o (outputs), i (inputs) or k (kernel)
 * @property {Dtype} [dtype]
 * @property {Seed} [seed] if omitted, the service chooses one, and `Weights.seed` reports it
 * @property {string} [name] tensors with different names are independent
 * @property {string} [slice] the part to return, as a NumPy basic slice: "128:256, :"
 * @property {number} [padding_idx] the entry of an embedding that is zero; a negative one counts from the end
 * @property {number} [fan_in] replaces that of the shape; for a bias, pass the fan_in of its weight
 * @property {number} [fan_out] replaces that of the shape
 */

/** @typedef {KnownInitFields & { [parameter: string]: unknown }} InitFields */

/**
 * The fields of a recommendation other than the activation. The parameters of the activation go next to them.
 *
 * @typedef {object} KnownRecommendFields
 * @property {string} [layer] what the weight is in the network, such as residual_output
 * @property {number} [num_layers] the number of layers of the network, for layers that feed a residual stream
 * @property {number} [class_prior] the frequency of a class, for a sigmoid head
 * @property {string} [distribution] normal, truncated_normal or uniform
 * @property {number} [fan_in] the number of inputs of a unit
 * @property {number} [fan_out] the number of units that an input feeds
 */

/** @typedef {KnownRecommendFields & { [parameter: string]: unknown }} RecommendFields */

/**
 * A recommended scheme and the reason for it. `stddev` is null if the fans are unknown.
 *
 * @typedef {{ scheme: string, reason: string, reference: string | null, stddev: number | null, [more: string]: any }} Recommendation
 */

/**
 * How the service made a tensor.
 *
 * @typedef {object} KnownMetadata
 * @property {string} scheme
 * @property {string} formula
 * @property {number | null} stddev
 * @property {number | string} seed a string above 2^53; `Weights.seed` is a bigint
 * @property {number[]} shape
 * @property {Dtype} dtype
 * @property {Recommendation} recommended
 * @property {string[]} warnings problems with the choice of scheme for this layer, one sentence each
 */

/** @typedef {KnownMetadata & { [more: string]: any }} Metadata */

/**
 * A scheme or an activation in the service's lists.
 *
 * @typedef {{ name: string, formula: string, reference: string | null, [more: string]: any }} Row
 */

export {};
