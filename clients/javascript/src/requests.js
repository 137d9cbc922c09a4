/** Builds requests as plain values. It does not send them. */

import { WeightInitError } from "./errors.js";

/** @import { InitFields, Named, RecommendFields } from "./fields.js" */

/** @typedef {{ method: "GET" | "POST", path: string, body?: string }} Request `path` is relative to the service's URL */

/** @type {Request} */
export const SCHEMES = { method: "GET", path: "/schemes" };
/** @type {Request} */
export const ACTIVATIONS = { method: "GET", path: "/activations" };

/**
 * Return the request for one tensor. Undefined fields are not sent: the service chooses them, and validates the others.
 *
 * @param {Iterable<number>} shape
 * @param {InitFields} fields
 * @param {string} [format]
 * @returns {Request}
 * @throws {WeightInitError} for a seed that is a number too large to be exact
 */
export function initRequest(shape, fields, format) {
  checkSeed(fields.seed);
  return {
    method: "POST",
    path: "/init",
    body: JSON.stringify({ ...fields, shape: [...shape], format }, jsonReplacer),
  };
}

/**
 * Return the request for the scheme that fits an activation.
 *
 * @param {Named | { expression: string } | undefined} activation
 * @param {RecommendFields} fields
 * @returns {Request}
 */
export function recommendRequest(activation, fields) {
  const params = Object.entries({ activation, ...fields }).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(params.map(([name, value]) => [name, asText(value)]));
  return { method: "GET", path: `/recommend?${query}` };
}

/** @param {unknown} seed */
function checkSeed(seed) {
  if (typeof seed !== "number" || !Number.isInteger(seed) || Math.abs(seed) <= Number.MAX_SAFE_INTEGER) return;
  const error = {
    field: "seed",
    expected: "a bigint or a string above Number.MAX_SAFE_INTEGER, where a number loses digits",
    received: `the number ${seed}`,
    action: 'Write 18446744073709551615n, or "18446744073709551615".',
  };
  const detail = `seed: expected ${error.expected}; received ${error.received}. ${error.action}`;
  throw new WeightInitError("Invalid seed", detail, { errors: [error] });
}

/**
 * Convert values for JSON.stringify, which rejects bigints and turns NaN into null. As text, the service can report NaN.
 *
 * @param {string} _name
 * @param {unknown} value
 */
function jsonReplacer(_name, value) {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "object" ? JSON.stringify(value, jsonReplacer) : String(value);
}
