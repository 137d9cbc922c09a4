/** Parses responses from their status, headers and text. */

import { DTYPES, itemSize } from "./dtypes.js";
import { WeightInitError } from "./errors.js";

/**
 * @import { ServiceResponse } from "./connection.js"
 * @import { Metadata, Row } from "./fields.js"
 */

const MAX_EXCERPT_LENGTH = 80;

/**
 * Return a tensor's metadata from the Weight-Init header.
 *
 * @param {ServiceResponse} response
 * @returns {Promise<Metadata>}
 */
export async function parseMetadata(response) {
  const text = response.headers.get("Weight-Init");
  if (text !== null) return parseObject(text);
  throw unexpected(response.status, "a Weight-Init header", `none, with the body ${excerpt(await response.text())}`);
}

/**
 * Return a tensor's size in bytes, and check it against Content-Length, which a proxy may have removed.
 *
 * @param {Metadata} metadata
 * @param {ServiceResponse} response
 */
export function expectedBytes({ shape, dtype }, { status, length }) {
  if (!DTYPES.includes(dtype)) throw unexpected(status, `one of the dtypes ${DTYPES.join(", ")}`, dtype);
  const bytes = shape.reduce((product, axis) => product * axis, itemSize(dtype));
  if ((length ?? bytes) === bytes) return bytes;
  throw unexpected(status, `${bytes} bytes for ${dtype} [${shape}]`, `${length} bytes`);
}

/**
 * Return the error that a response with a status other than 200 describes.
 *
 * @param {ServiceResponse} response
 */
export async function parseProblem(response) {
  const { status } = response;
  const text = await response.text();
  const isProblem = response.headers.get("Content-Type")?.startsWith("application/problem+json");
  const problem = isProblem ? tryParseObject(text) : undefined;
  if (!problem) return unexpected(status, "a response from weight-init", `status ${status} and ${excerpt(text)}`);
  const { title = `Status ${status}`, detail = title, errors = [] } = problem;
  return new WeightInitError(title, detail, { status, errors: Array.isArray(errors) ? errors : [] });
}

/**
 * Parse a JSON object.
 *
 * @param {string} text
 * @returns {any}
 */
export function parseObject(text) {
  const content = tryParseObject(text);
  if (!content) throw unexpected(200, "a JSON object", excerpt(text));
  return content;
}

/**
 * Return the list called `name` in a JSON object.
 *
 * @param {string} text
 * @param {string} name
 * @returns {Row[]}
 */
export function parseRows(text, name) {
  const rows = parseObject(text)[name];
  if (!Array.isArray(rows)) throw unexpected(200, `a list of ${name}`, excerpt(text));
  return rows;
}

/**
 * Return the error for a response that does not come from weight-init.
 *
 * @param {number} status
 * @param {string} expected
 * @param {string} received
 */
export function unexpected(status, expected, received) {
  const detail = `Expected ${expected}; received ${received}. Check that the URL points to a weight-init service.`;
  return new WeightInitError("Unexpected response", detail, { status });
}

/** @param {string} text */
function tryParseObject(text) {
  try {
    const content = JSON.parse(text);
    return content !== null && typeof content === "object" && !Array.isArray(content) ? content : undefined;
  } catch {
    return undefined; // the caller reports the text
  }
}

/** @param {string} text */
function excerpt(text) {
  return JSON.stringify(text.length > MAX_EXCERPT_LENGTH ? `${text.slice(0, MAX_EXCERPT_LENGTH)}…` : text);
}
