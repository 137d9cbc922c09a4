/** Receives a complete response. Only this module retries and resumes. */

import { broken } from "./connection.js";
import { RetryableError } from "./errors.js";
import { parseProblem, unexpected } from "./responses.js";

/**
 * @import { Connection, ServiceResponse } from "./connection.js"
 * @import { WeightInitError } from "./errors.js"
 * @import { Request } from "./requests.js"
 */

const FIRST_PAUSE_SECONDS = 0.1;
const DEFAULT_WAIT_SECONDS = 1;
const MAX_WAIT_SECONDS = 60;

/**
 * Receives a response. `begin` is called at its start, and again if it starts over; earlier writes are then void. It
 * returns the number of bytes to come, if known.
 *
 * @typedef {object} Receiver
 * @property {(response: ServiceResponse) => Promise<number | undefined>} begin
 * @property {(part: Uint8Array, offset: number) => void | Promise<void>} write
 */

/** The transfer of one response to its receiver. */
export class Transfer {
  #connection;
  #request;
  #receiver;
  #received = 0;
  #maxReceived = 0;
  /** @type {number | undefined} */
  #length;
  /** @type {string | undefined} The validator of a response that can be resumed. */
  #etag;

  /**
   * @param {Connection} connection
   * @param {Request} request
   * @param {Receiver} receiver
   */
  constructor(connection, request, receiver) {
    this.#connection = connection;
    this.#request = request;
    this.#receiver = receiver;
  }

  /**
   * Send the request until the response is complete. New bytes reset the count of failures.
   *
   * @param {number} retries how many times in a row to retry
   * @throws {WeightInitError}
   */
  async run(retries) {
    for (let failures = 0; ; failures += 1) {
      const before = this.#maxReceived;
      try {
        return await this.#attempt();
      } catch (failure) {
        if (!(failure instanceof RetryableError)) throw failure;
        if (this.#maxReceived > before) failures = 0;
        if (failures >= retries) throw failure.error;
        await pause(failure.waitSeconds ?? FIRST_PAUSE_SECONDS * 2 ** failures);
      }
    }
  }

  async #attempt() {
    const resuming = this.#etag !== undefined && this.#received > 0;
    const rest = { Range: `bytes=${this.#received}-`, "If-Range": `${this.#etag}` };
    const response = await this.#connection.send(this.#request, resuming ? rest : undefined);
    try {
      await this.#begin(response, resuming);
      for await (const part of response) await this.#write(part, response);
      if (this.#received < (this.#length ?? 0)) throw new RetryableError(broken(response.url));
    } finally {
      response.close();
    }
  }

  /**
   * @param {ServiceResponse} response
   * @param {boolean} resuming
   */
  async #begin(response, resuming) {
    if (response.status === 429 || response.status === 503) throw await busy(response);
    if (response.status === 206 && resuming) return this.#checkRest(response);
    if (response.status !== 200) throw await parseProblem(response);
    this.#received = 0;
    this.#etag = resumeEtag(response.headers);
    this.#length = await this.#receiver.begin(response);
  }

  /** @param {ServiceResponse} response */
  #checkRest({ status, headers }) {
    const [range, etag] = [headers.get("Content-Range"), headers.get("ETag")];
    if (range?.startsWith(`bytes ${this.#received}-`) && etag === this.#etag) return;
    throw unexpected(status, `the bytes from ${this.#received} on of ${this.#etag}`, `${range} of ${etag}`);
  }

  /**
   * @param {Uint8Array} part
   * @param {ServiceResponse} response
   */
  async #write(part, { status }) {
    const end = this.#received + part.length;
    if (end > (this.#length ?? Infinity)) throw unexpected(status, `${this.#length} bytes, as announced`, "more");
    await this.#receiver.write(part, this.#received);
    this.#received = end;
    this.#maxReceived = Math.max(this.#maxReceived, end);
  }
}

/**
 * Return the error for a busy service. It is retryable unless the wait is too long.
 *
 * @param {ServiceResponse} response
 */
async function busy(response) {
  const retryAfter = response.headers.get("Retry-After") ?? "";
  const wait = /^\d+$/.test(retryAfter) ? Number(retryAfter) : DEFAULT_WAIT_SECONDS;
  const problem = await parseProblem(response);
  return wait > MAX_WAIT_SECONDS ? problem : new RetryableError(problem, wait);
}

/** @param {Headers} headers */
function resumeEtag(headers) {
  const etag = headers.get("ETag");
  return etag?.startsWith('"') && headers.get("Accept-Ranges") === "bytes" ? etag : undefined;
}

/** @param {number} seconds */
function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
