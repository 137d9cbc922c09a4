/** Initialized neural-network weights from a weight-init service. Browsers can load this module: it uses no Node API. */

export { Client } from "./client.js";
export { WeightInitError } from "./errors.js";
export { parseNpy } from "./npy.js";
export { Tensor, Weights } from "./tensor.js";

/**
 * @typedef {import("./client.js").ClientOptions} ClientOptions
 * @typedef {import("./errors.js").FieldError} FieldError
 * @typedef {import("./fields.js").InitFields} InitFields
 * @typedef {import("./fields.js").RecommendFields} RecommendFields
 * @typedef {import("./fields.js").Named} Named
 * @typedef {import("./fields.js").Seed} Seed
 * @typedef {import("./fields.js").Metadata} Metadata
 * @typedef {import("./fields.js").Recommendation} Recommendation
 * @typedef {import("./fields.js").Row} Row
 * @typedef {import("./dtypes.js").Dtype} Dtype
 * @typedef {import("./dtypes.js").Values} Values
 */
