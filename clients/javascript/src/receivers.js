/** Who takes an answer into memory. */

import { announcedBytes, metadataIn } from "./answers.js";
import { elementsIn } from "./dtypes.js";
import { Weights } from "./tensor.js";

/**
 * @import { Answer } from "./connection.js"
 * @import { Metadata } from "./fields.js"
 */

/** Takes a tensor into one array, allocated whole at the start. */
export class ArrayReceiver {
  /** @type {Metadata | undefined} */
  #metadata;
  #bytes = new Uint8Array();

  /** @param {Answer} answer */
  async begin(answer) {
    this.#metadata = await metadataIn(answer);
    this.#bytes = new Uint8Array(announcedBytes(this.#metadata, answer));
    return this.#bytes.length;
  }

  /**
   * @param {Uint8Array} part
   * @param {number} offset
   */
  write(part, offset) {
    this.#bytes.set(part, offset);
  }

  /** The tensor, when all of it has come. */
  get weights() {
    const metadata = /** @type {Metadata} */ (this.#metadata);
    return new Weights(elementsIn(this.#bytes.buffer, metadata.dtype), metadata);
  }
}

/** Takes a text. */
export class TextReceiver {
  /** @type {Uint8Array<any>[]} */
  #parts = [];

  /** @param {Answer} answer */
  async begin(answer) {
    this.#parts = [];
    return answer.length;
  }

  /** @param {Uint8Array} part */
  write(part) {
    this.#parts.push(part);
  }

  /** The text, when all of it has come. */
  get text() {
    return new Blob(this.#parts).text();
  }
}
