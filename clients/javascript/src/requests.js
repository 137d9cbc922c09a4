/** What to send: requests as plain values, apart from the sending of them. */

import { WeightInitError } from "./errors.js";

/** @import { InitFields, Named, RecommendFields } from "./fields.js" */

/** @typedef {{ method: "GET" | "POST", path: string, body?: string }} Request `path` is relative to the service's URL */

/** @type {Request} */
export const SCHEMES = { method: "GET", path: "/schemes" };
/** @type {Request} */
export const ACTIVATIONS = { method: "GET", path: "/activations" };

/**
 * The request for one tensor. Fields that are undefined are not sent: the service decides, and checks the values too.
 *
 * @param {Iterable<number>} shape
 * @param {InitFields} fields
 * @param {string} [format]
 * @returns {Request}
 * @throws {WeightInitError} for a seed that is not what the caller wrote
 */
export function initRequest(shape, fields, format) {
  checkSeed(fields.seed);
  return { method: "POST", path: "/init", body: JSON.stringify({ ...fields, shape: [...shape], format }, plain) };
}

/**
 * The request for the scheme that fits an activation.
 *
 * @param {Named | { expression: string } | undefined} activation
 * @param {RecommendFields} fields
 * @returns {Request}
 */
export function recommendRequest(activation, fields) {
  const given = Object.entries({ activation, ...fields }).filter(([, value]) => value !== undefined);
  const query = new URLSearchParams(given.map(([name, value]) => [name, asText(value)]));
  return { method: "GET", path: `/recommend?${query}` };
}

/** @param {unknown} seed */
function checkSeed(seed) {
  if (typeof seed !== "number" || !Number.isInteger(seed) || Math.abs(seed) <= Number.MAX_SAFE_INTEGER) return;
  const fault = {
    field: "seed",
    expected: "a bigint or a string beyond Number.MAX_SAFE_INTEGER, where a number loses digits",
    received: `the number ${seed}`,
    action: 'Write 18446744073709551615n, or "18446744073709551615".',
  };
  const detail = `seed: expected ${fault.expected}; received ${fault.received}. ${fault.action}`;
  throw new WeightInitError("Invalid seed", detail, { errors: [fault] });
}

/**
 * For JSON.stringify, which refuses bigints, and would send null for NaN: the service shall say what it received.
 *
 * @param {string} _name
 * @param {unknown} value
 */
function plain(_name, value) {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "object" ? JSON.stringify(value, plain) : String(value);
}
