/** One request and its answer: the only place where `fetch` is called, and where what it hides is found out. */

import { Setback, WeightInitError } from "./errors.js";

/** @import { Request } from "./requests.js" */

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const LONGEST_TEXT = 1 << 16;

/** A service at a URL. */
export class Connection {
  #headers;
  #timeoutSeconds;

  /**
   * @param {string | URL} url
   * @param {string | undefined} key
   * @param {number} timeoutSeconds
   * @throws {TypeError} for a URL that is not one of HTTP, or a key that no header can hold
   */
  constructor(url, key, timeoutSeconds) {
    this.url = checked(String(url));
    this.#headers = new Headers({ "Accept-Encoding": "identity" }); // weights do not compress, and lengths must agree
    if (key) this.#headers.set("Authorization", `Bearer ${key}`);
    this.#timeoutSeconds = timeoutSeconds;
  }

  /**
   * The answer to a request, its body still to be read. Close it.
   *
   * @param {Request} request
   * @param {Record<string, string>} more headers
   * @throws {Setback | WeightInitError}
   */
  async ask({ method, path, body }, more = {}) {
    const headers = new Headers(this.#headers);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    for (const [name, value] of Object.entries(more)) headers.set(name, value);
    const patience = new Patience(this.url, this.#timeoutSeconds);
    const asked = fetch(this.url + path, { method, headers, body, signal: patience.signal });
    return new Answer(await patience.with(asked, unreachable), this.url, patience);
  }
}

/** An answer while it arrives: its head, and its body part by part. */
export class Answer {
  #reader;
  #patience;

  /**
   * @param {Response} response
   * @param {string} url
   * @param {Patience} patience
   */
  constructor(response, url, patience) {
    this.url = url;
    this.status = response.status;
    this.headers = response.headers;
    this.#reader = response.body?.getReader();
    this.#patience = patience;
  }

  /** The bytes of the body as the head announces them; undefined where it does not. */
  get length() {
    const announced = this.headers.get("Content-Length");
    return announced === null || this.headers.has("Content-Encoding") ? undefined : Number(announced);
  }

  /**
   * The parts of the body as they come.
   *
   * @throws {Setback | WeightInitError}
   */
  async *[Symbol.asyncIterator]() {
    while (this.#reader) {
      const { done, value } = await this.#patience.with(this.#reader.read(), broken);
      if (done) return;
      yield value;
    }
  }

  /** The body as text, or the beginning of a long one. */
  async text() {
    const decoder = new TextDecoder();
    let text = "";
    for await (const part of this) {
      text += decoder.decode(part, { stream: true });
      if (text.length > LONGEST_TEXT) break;
    }
    return text;
  }

  /** End the answer, and with it the connection unless all of it has been read. */
  close() {
    this.#patience.end();
  }
}

/** Waits for the service, but for each step no longer than so many seconds. */
class Patience {
  #controller = new AbortController();
  #url;
  #seconds;

  /**
   * @param {string} url
   * @param {number} seconds
   */
  constructor(url, seconds) {
    this.#url = url;
    this.#seconds = seconds;
  }

  get signal() {
    return this.#controller.signal;
  }

  /**
   * @template T
   * @param {Promise<T>} step
   * @param {(url: string, cause: unknown) => WeightInitError} failure what it is if the step fails
   * @returns {Promise<T>}
   */
  async with(step, failure) {
    const timer = setTimeout(() => this.end(), Math.min(this.#seconds * 1000, LONGEST_TIMER_MS));
    try {
      return await step;
    } catch (cause) {
      throw this.signal.aborted ? silent(this.#url, this.#seconds) : new Setback(failure(this.#url, cause));
    } finally {
      clearTimeout(timer);
    }
  }

  end() {
    this.#controller.abort();
  }
}

/** @param {string} url */
function checked(url) {
  if (URL.canParse(url)) {
    const { protocol, username, password } = new URL(url);
    if (["http:", "https:"].includes(protocol) && !username && !password) return url.replace(/\/+$/, "");
  }
  throw new TypeError(`url: expected one such as http://127.0.0.1:8000, without a password; received ${url}.`);
}

/**
 * @param {string} url
 * @param {unknown} cause
 */
function unreachable(url, cause) {
  const detail = `No service answers at ${url} (${reasonOf(cause)}). Start it with \`weight-init serve\`, or give Client its URL.`;
  return new WeightInitError("No service", detail, { cause });
}

/**
 * @param {string} url
 * @param {unknown} [cause]
 */
export function broken(url, cause) {
  const reason = cause === undefined ? "it ended too early" : reasonOf(cause);
  const detail = `The connection to ${url} broke before the whole answer came (${reason}). Ask again.`;
  return new WeightInitError("Broken connection", detail, { cause });
}

/**
 * @param {string} url
 * @param {number} seconds
 */
function silent(url, seconds) {
  const detail = `Nothing came from ${url} for ${seconds} s. Ask again, or give Client a larger timeoutSeconds.`;
  return new WeightInitError("Timeout", detail);
}

/**
 * The words for what failed: in Node they are those of the error's cause, in browsers its own.
 *
 * @param {any} error
 */
function reasonOf(error) {
  return error.cause?.message || error.cause?.code || error.message;
}
