/** What answers mean, from their status, headers and text. */

import { DTYPES, itemSize } from "./dtypes.js";
import { WeightInitError } from "./errors.js";

/**
 * @import { Answer } from "./connection.js"
 * @import { Metadata, Row } from "./fields.js"
 */

const LONGEST_SHOWN = 80;

/**
 * The metadata of a tensor, from the header Weight-Init.
 *
 * @param {Answer} answer
 * @returns {Promise<Metadata>}
 */
export async function metadataIn(answer) {
  const text = answer.headers.get("Weight-Init");
  if (text === null) throw foreign(answer.status, "the header Weight-Init", `none, and ${shown(await answer.text())}`);
  return objectIn(text);
}

/**
 * The bytes of a tensor, as its metadata and Content-Length say in agreement; a proxy may have left out the latter.
 *
 * @param {Metadata} metadata
 * @param {Answer} answer
 */
export function announcedBytes({ shape, dtype }, { status, length }) {
  if (!DTYPES.includes(dtype)) throw foreign(status, `a dtype among ${DTYPES.join(", ")}`, dtype);
  const bytes = shape.reduce((product, axis) => product * axis, itemSize(dtype));
  if ((length ?? bytes) !== bytes) throw foreign(status, `${bytes} bytes for ${dtype} [${shape}]`, `${length} bytes`);
  return bytes;
}

/**
 * The error that an answer of another status than 200 tells of.
 *
 * @param {Answer} answer
 */
export async function problemIn(answer) {
  const { status } = answer;
  const text = await answer.text();
  const isProblem = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
  const problem = isProblem ? parsed(text) : undefined;
  if (!problem) return foreign(status, "an answer of weight-init", `status ${status} and ${shown(text)}`);
  const { title = `Status ${status}`, detail = title, errors = [] } = problem;
  return new WeightInitError(title, detail, { status, errors: Array.isArray(errors) ? errors : [] });
}

/**
 * A JSON object.
 *
 * @param {string} text
 * @returns {any}
 */
export function objectIn(text) {
  const content = parsed(text);
  if (!content) throw foreign(200, "a JSON object", shown(text));
  return content;
}

/**
 * The list of that name in a JSON object.
 *
 * @param {string} text
 * @param {string} name
 * @returns {Row[]}
 */
export function rowsIn(text, name) {
  const rows = objectIn(text)[name];
  if (!Array.isArray(rows)) throw foreign(200, `a list of ${name}`, shown(text));
  return rows;
}

/**
 * The error of an answer that is not one of weight-init.
 *
 * @param {number} status
 * @param {string} expected
 * @param {string} received
 */
export function foreign(status, expected, received) {
  const detail = `Expected ${expected}; received ${received}. Is the URL that of a weight-init service?`;
  return new WeightInitError("Unexpected answer", detail, { status });
}

/** @param {string} text */
function parsed(text) {
  try {
    const content = JSON.parse(text);
    return content !== null && typeof content === "object" && !Array.isArray(content) ? content : undefined;
  } catch {
    return undefined; // its caller says what it is instead
  }
}

/** @param {string} text */
function shown(text) {
  return JSON.stringify(text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text);
}
