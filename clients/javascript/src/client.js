import { objectIn, rowsIn } from "./answers.js";
import { Connection } from "./connection.js";
import { ArrayReceiver, TextReceiver } from "./receivers.js";
import { ACTIVATIONS, initRequest, recommendRequest, SCHEMES } from "./requests.js";
import { Transfer } from "./transfer.js";

/**
 * @import { InitFields, Named, RecommendFields, Recommendation } from "./fields.js"
 * @import { Request } from "./requests.js"
 * @import { Receiver } from "./transfer.js"
 */

const DEFAULT_URL = "http://127.0.0.1:8000";

/**
 * @typedef {object} ClientOptions
 * @property {string | URL} [url] by default the environment variable WEIGHT_INIT_URL, else http://127.0.0.1:8000
 * @property {string} [apiKey] by default the environment variable WEIGHT_INIT_API_KEY, if it is set
 * @property {number} [timeoutSeconds] the longest wait for the connection and for each part of an answer, not for the
 *   whole; by default 30
 * @property {number} [retries] how often to ask again, in a row, where the service is busy or the connection breaks; by
 *   default 4
 */

/**
 * A weight-init service. One client serves any number of requests at a time, and needs no closing.
 *
 * Every method rejects with a WeightInitError when the service refuses the request (`status` and `errors` say why), when no
 * whole answer comes (`status` 0), or when something else than a weight-init service answers.
 */
export class Client {
  #connection;
  #retries;

  /**
   * Connects at the first request.
   *
   * @param {ClientOptions} [options]
   * @throws {TypeError} for a URL that is not one of HTTP
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
   * An initialized tensor, in memory. Rejects with a RangeError where no array can be so large: ask for slices then.
   *
   * @param {Iterable<number>} shape [out, in, ...kernel], or [...kernel, in, out] with `layout: "keras"` (or jax, flax)
   * @param {InitFields} [fields] all else that the service's /init takes, by its names
   */
  async init(shape, fields = {}) {
    const receiver = new ArrayReceiver();
    await this.receive(initRequest(shape, fields, "raw"), receiver);
    return receiver.weights;
  }

  /**
   * The scheme that fits an activation, with its reason, reference and alternatives; with the fans, its stddev and bound too.
   *
   * @param {Named | { expression: string }} [activation] may be left out where `fields.layer` is given
   * @param {RecommendFields} [fields]
   * @returns {Promise<Recommendation>}
   */
  async recommend(activation, fields = {}) {
    return objectIn(await this.#text(recommendRequest(activation, fields)));
  }

  /** Every scheme: its names, parameters, formula and reference. */
  async schemes() {
    return rowsIn(await this.#text(SCHEMES), "schemes");
  }

  /** Every activation: its names, parameters, gains and recommended scheme. */
  async activations() {
    return rowsIn(await this.#text(ACTIVATIONS), "activations");
  }

  /**
   * Have an answer received, whole.
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
 * A variable of the environment, if there is one: browsers have none.
 *
 * @param {string} name
 */
function environment(name) {
  return globalThis.process?.env?.[name] || undefined;
}
