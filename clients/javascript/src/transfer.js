/** A whole answer, however often it must be asked for: the one place that asks again and that resumes. */

import { foreign, problemIn } from "./answers.js";
import { broken } from "./connection.js";
import { Setback } from "./errors.js";

/**
 * @import { Answer, Connection } from "./connection.js"
 * @import { WeightInitError } from "./errors.js"
 * @import { Request } from "./requests.js"
 */

const FIRST_PAUSE_SECONDS = 0.1;
const DEFAULT_WAIT_SECONDS = 1;
const LONGEST_WAIT_SECONDS = 60;

/**
 * Who takes an answer. `begin` is called when one begins: again when it cannot be resumed, and then what was written is void.
 * It answers how many bytes are to come, if that is known.
 *
 * @typedef {object} Receiver
 * @property {(answer: Answer) => Promise<number | undefined>} begin
 * @property {(part: Uint8Array, offset: number) => void | Promise<void>} write
 */

/** The way of one answer to its receiver. */
export class Transfer {
  #connection;
  #request;
  #receiver;
  #received = 0;
  #furthest = 0;
  /** @type {number | undefined} */
  #length;
  /** @type {string | undefined} The validator of an answer that may be resumed. */
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
   * Ask until the whole answer has come. Bytes that had never come before make up for the failures before them.
   *
   * @param {number} retries how often to ask again, in a row
   * @throws {WeightInitError}
   */
  async run(retries) {
    for (let failures = 0; ; failures += 1) {
      const before = this.#furthest;
      try {
        return await this.#attempt();
      } catch (setback) {
        if (!(setback instanceof Setback)) throw setback;
        if (this.#furthest > before) failures = 0;
        if (failures >= retries) throw setback.error;
        await pause(setback.wait ?? FIRST_PAUSE_SECONDS * 2 ** failures);
      }
    }
  }

  async #attempt() {
    const resuming = this.#etag !== undefined && this.#received > 0;
    const rest = { Range: `bytes=${this.#received}-`, "If-Range": `${this.#etag}` };
    const answer = await this.#connection.ask(this.#request, resuming ? rest : undefined);
    try {
      await this.#begin(answer, resuming);
      for await (const part of answer) await this.#take(part, answer);
      if (this.#received < (this.#length ?? 0)) throw new Setback(broken(answer.url));
    } finally {
      answer.close();
    }
  }

  /**
   * @param {Answer} answer
   * @param {boolean} resuming
   */
  async #begin(answer, resuming) {
    if (answer.status === 429 || answer.status === 503) throw await busy(answer);
    if (answer.status === 206 && resuming) return this.#checkRest(answer);
    if (answer.status !== 200) throw await problemIn(answer);
    this.#received = 0;
    this.#etag = resumable(answer.headers);
    this.#length = await this.#receiver.begin(answer);
  }

  /** @param {Answer} answer */
  #checkRest({ status, headers }) {
    const [range, etag] = [headers.get("Content-Range"), headers.get("ETag")];
    if (range?.startsWith(`bytes ${this.#received}-`) && etag === this.#etag) return;
    throw foreign(status, `the bytes from ${this.#received} on of ${this.#etag}`, `${range} of ${etag}`);
  }

  /**
   * @param {Uint8Array} part
   * @param {Answer} answer
   */
  async #take(part, { status }) {
    const end = this.#received + part.length;
    if (end > (this.#length ?? Infinity)) throw foreign(status, `${this.#length} bytes, as announced`, "more");
    await this.#receiver.write(part, this.#received);
    this.#received = end;
    this.#furthest = Math.max(this.#furthest, end);
  }
}

/**
 * A service that wants to be asked later.
 *
 * @param {Answer} answer
 */
async function busy(answer) {
  const asked = answer.headers.get("Retry-After") ?? "";
  const wait = /^\d+$/.test(asked) ? Number(asked) : DEFAULT_WAIT_SECONDS;
  const problem = await problemIn(answer);
  return wait > LONGEST_WAIT_SECONDS ? problem : new Setback(problem, wait);
}

/** @param {Headers} headers */
function resumable(headers) {
  const etag = headers.get("ETag");
  return etag?.startsWith('"') && headers.get("Accept-Ranges") === "bytes" ? etag : undefined;
}

/** @param {number} seconds */
function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
