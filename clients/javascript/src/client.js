import { Connection } from "./connection.js";
import { ArrayReceiver, TextReceiver } from "./receivers.js";
import { ACTIVATIONS, initRequest, recommendRequest, SCHEMES } from "./requests.js";
import { parseObject, parseRows } from "./responses.js";
import { Transfer } from "./transfer.js";

/**
 * @import { InitFields, Named, RecommendFields, Recommendation } from "./fields.js"
 * @import { Request } from "./requests.js"
 * @import { Receiver } from "./transfer.js"
 */

const DEFAULT_URL = "http://127.0.0.1:8000";

/**
 * @typedef {object} ClientOptions
 * @property {string | URL} [url] defaults to the environment variable WEIGHT_INIT_URL, or http://127.0.0.1:8000
 * @property {string} [apiKey] defaults to the environment variable WEIGHT_INIT_API_KEY, if it is set
 * @property {number} [timeoutSeconds] the longest wait for the connection and for each part of a response, not for the
 *   whole; defaults to 30
 * @property {number} [retries] how many times in a row to retry when the service is busy or the connection breaks;
 *   defaults to 4
 */

/**
 * A client of a weight-init service. It handles any number of requests at a time and need not be closed.
 *
 * Every method rejects with a WeightInitError when the service refuses the request (`status` and `errors` say why), when no
 * complete response arrives (`status` 0), or when the response does not come from a weight-init service.
 */
export class Client {
  #connection;
  #retries;

  /**
   * Configure the client. It connects at the first request.
   *
   * @param {ClientOptions} [options]
   * @throws {TypeError} for a URL that is not http or https
   */
  constructor({
    url = environment("WEIGHT_INIT_URL") ?? DEFAULT_URL,
    apiKey = environment("WEIGHT_INIT_API_KEY"),
    timeoutSeconds = 30,
    retries = 4,
  } = {}) {
    this.#connection = new Connection(url, apiKey, timeoutSeconds);
    this.#retries = retries;
  }

  /** The URL of the service. */
  get url() {
    return this.#connection.url;
  }

  /**
   * Return an initialized tensor. Rejects with a RangeError if it is too large for one array; request slices instead.
   *
   * @param {Iterable<number>} shape [out, in, ...kernel], or [...kernel, in, out] with `layout: "keras"` (or jax, flax)
   * @param {InitFields} [fields] the other fields of the service's /init
   */
  async init(shape, fields = {}) {
    const receiver = new ArrayReceiver();
    await this.receive(initRequest(shape, fields, "raw"), receiver);
    return receiver.weights;
  }

  /**
   * Return the scheme that fits an activation, with its reason, reference and alternatives. Pass the fans to get its
   * stddev and bound too.
   *
   * @param {Named | { expression: string }} [activation] optional if `fields.layer` is set
   * @param {RecommendFields} [fields]
   * @returns {Promise<Recommendation>}
   */
  async recommend(activation, fields = {}) {
    return parseObject(await this.#text(recommendRequest(activation, fields)));
  }

  /** Return every scheme with its names, parameters, formula and reference. */
  async schemes() {
    return parseRows(await this.#text(SCHEMES), "schemes");
  }

  /** Return every activation with its names, parameters, gains and recommended scheme. */
  async activations() {
    return parseRows(await this.#text(ACTIVATIONS), "activations");
  }

  /**
   * Send a request and receive the complete response.
   *
   * @protected
   * @internal
   * @param {Request} request
   * @param {Receiver} receiver
   */
  receive(request, receiver) {
    return new Transfer(this.#connection, request, receiver).run(this.#retries);
  }

  /** @param {Request} request */
  async #text(request) {
    const receiver = new TextReceiver();
    await this.receive(request, receiver);
    return receiver.text;
  }
}

/**
 * Return an environment variable, or undefined. Browsers have no environment.
 *
 * @param {string} name
 */
function environment(name) {
  return globalThis.process?.env?.[name] || undefined;
}
