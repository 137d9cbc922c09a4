/** Receivers that read a response into memory. */

import { elementsIn } from "./dtypes.js";
import { expectedBytes, parseMetadata } from "./responses.js";
import { Weights } from "./tensor.js";

/**
 * @import { ServiceResponse } from "./connection.js"
 * @import { Metadata } from "./fields.js"
 */

/** Receives a tensor into one array, allocated at the start. */
export class ArrayReceiver {
  /** @type {Metadata | undefined} */
  #metadata;
  #bytes = new Uint8Array();

  /** @param {ServiceResponse} response */
  async begin(response) {
    this.#metadata = await parseMetadata(response);
    this.#bytes = new Uint8Array(expectedBytes(this.#metadata, response));
    return this.#bytes.length;
  }

  /**
   * @param {Uint8Array} part
   * @param {number} offset
   */
  write(part, offset) {
    this.#bytes.set(part, offset);
  }

  /** The tensor, once it is complete. */
  get weights() {
    const metadata = /** @type {Metadata} */ (this.#metadata);
    return new Weights(elementsIn(this.#bytes.buffer, metadata.dtype), metadata);
  }
}

/** Receives text. */
export class TextReceiver {
  /** @type {Uint8Array<any>[]} */
  #parts = [];

  /** @param {ServiceResponse} response */
  async begin(response) {
    this.#parts = [];
    return response.length;
  }

  /** @param {Uint8Array} part */
  write(part) {
    this.#parts.push(part);
  }

  /** The text, once it is complete. */
  get text() {
    return new Blob(this.#parts).text();
  }
}
