/** Sends a request and reads its response. Only this module calls `fetch`; it explains why a fetch failed. */

import { RetryableError, WeightInitError } from "./errors.js";

/** @import { Request } from "./requests.js" */

const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_TEXT_LENGTH = 1 << 16;

/** A service at a URL. */
export class Connection {
  #headers;
  #timeoutSeconds;

  /**
   * @param {string | URL} url
   * @param {string | undefined} key
   * @param {number} timeoutSeconds
   * @throws {TypeError} for a URL that is not http or https, or a key that does not fit into a header
   */
  constructor(url, key, timeoutSeconds) {
    this.url = checkedUrl(String(url));
    this.#headers = new Headers({ "Accept-Encoding": "identity" }); // weights do not compress, and lengths must match
    if (key) this.#headers.set("Authorization", `Bearer ${key}`);
    this.#timeoutSeconds = timeoutSeconds;
  }

  /**
   * Send a request. Return its response, with the body unread. Close the response when done.
   *
   * @param {Request} request
   * @param {Record<string, string>} extraHeaders
   * @throws {RetryableError | WeightInitError}
   */
  async send({ method, path, body }, extraHeaders = {}) {
    const headers = new Headers(this.#headers);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    for (const [name, value] of Object.entries(extraHeaders)) headers.set(name, value);
    const timeout = new StepTimeout(this.url, this.#timeoutSeconds);
    const pending = fetch(this.url + path, { method, headers, body, signal: timeout.signal });
    return new ServiceResponse(await timeout.limit(pending, unreachable), this.url, timeout);
  }
}

/** A response while it arrives: status and headers first, then the body part by part. */
export class ServiceResponse {
  #reader;
  #timeout;

  /**
   * @param {Response} response
   * @param {string} url
   * @param {StepTimeout} timeout
   */
  constructor(response, url, timeout) {
    this.url = url;
    this.status = response.status;
    this.headers = response.headers;
    this.#reader = response.body?.getReader();
    this.#timeout = timeout;
  }

  /** The body's size in bytes according to the headers, or undefined if they do not say. */
  get length() {
    const announced = this.headers.get("Content-Length");
    return announced === null || this.headers.has("Content-Encoding") ? undefined : Number(announced);
  }

  /**
   * Yield the parts of the body as they arrive.
   *
   * @throws {RetryableError | WeightInitError}
   */
  async *[Symbol.asyncIterator]() {
    while (this.#reader) {
      const { done, value } = await this.#timeout.limit(this.#reader.read(), broken);
      if (done) return;
      yield value;
    }
  }

  /** Read the body as text, or the beginning of it if it is long. */
  async text() {
    const decoder = new TextDecoder();
    let text = "";
    for await (const part of this) {
      text += decoder.decode(part, { stream: true });
      if (text.length > MAX_TEXT_LENGTH) break;
    }
    return text;
  }

  /** Close the response. This closes the connection too, unless the body has been read to its end. */
  close() {
    this.#timeout.end();
  }
}

/** Limits the time of each step of a request: the connection and every part of the response. */
class StepTimeout {
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
   * @param {(url: string, cause: unknown) => WeightInitError} failure creates the error if the step fails
   * @returns {Promise<T>}
   */
  async limit(step, failure) {
    const timer = setTimeout(() => this.end(), Math.min(this.#seconds * 1000, MAX_TIMER_MS));
    try {
      return await step;
    } catch (cause) {
      throw this.signal.aborted ? timedOut(this.#url, this.#seconds) : new RetryableError(failure(this.#url, cause));
    } finally {
      clearTimeout(timer);
    }
  }

  end() {
    this.#controller.abort();
  }
}

/** @param {string} url */
function checkedUrl(url) {
  if (URL.canParse(url)) {
    const { protocol, username, password } = new URL(url);
    if (["http:", "https:"].includes(protocol) && !username && !password) return url.replace(/\/+$/, "");
  }
  throw new TypeError(
    `url: expected a URL such as http://127.0.0.1:8000, without user name or password; received ${url}.`,
  );
}

/**
 * @param {string} url
 * @param {unknown} cause
 */
function unreachable(url, cause) {
  const detail = `No service responds at ${url} (${reasonOf(cause)}). Start one with \`weight-init serve\`, or pass its URL to Client.`;
  return new WeightInitError("No service", detail, { cause });
}

/**
 * @param {string} url
 * @param {unknown} [cause]
 */
export function broken(url, cause) {
  const reason = cause === undefined ? "it ended too early" : reasonOf(cause);
  const detail = `The connection to ${url} broke before the response was complete (${reason}). Try again.`;
  return new WeightInitError("Broken connection", detail, { cause });
}

/**
 * @param {string} url
 * @param {number} seconds
 */
function timedOut(url, seconds) {
  const detail = `No data arrived from ${url} for ${seconds} s. Try again, or set a larger timeoutSeconds.`;
  return new WeightInitError("Timeout", detail);
}

/**
 * Return the reason for a failed fetch. Node has it in the error's cause, browsers in the error itself.
 *
 * @param {any} error
 */
function reasonOf(error) {
  return error.cause?.message || error.cause?.code || error.message;
}
