import { valuesOf } from "./dtypes.js";

/**
 * @import { Dtype, Elements } from "./dtypes.js"
 * @import { Metadata } from "./fields.js"
 */

/** An array of any rank: its shape, and its values in C order (the last index varies fastest). */
export class Tensor {
  /**
   * @param {Elements} elements
   * @param {readonly number[]} shape
   * @param {Dtype} dtype
   */
  constructor(elements, shape, dtype) {
    /** A Float64Array for float64, otherwise a Float32Array. float16 and bfloat16 are widened to it exactly. */
    this.values = valuesOf(elements, dtype);
    /** The sizes of the dimensions. */
    this.shape = shape;
    /** The element type that was requested, or that the file has. */
    this.dtype = dtype;
    /** The original bits of each element for float16 and bfloat16, otherwise undefined. */
    this.bits = elements instanceof Uint16Array ? elements : undefined;
  }
}

/** The tensor that `Client.init` returns, and how it was made. */
export class Weights extends Tensor {
  /**
   * @param {Elements} elements
   * @param {Metadata} metadata
   */
  constructor(elements, metadata) {
    super(elements, metadata.shape, metadata.dtype);
    /** How the service made the values: scheme, parameters, formula, stddev, fans and more. */
    this.metadata = metadata;
  }

  /** The seed, 0 to 2^64 - 1, even if the service chose it. The same request with it always gives the same values. */
  get seed() {
    return BigInt(this.metadata.seed);
  }

  /** The scheme that the service recommends for this activation and these fans, with its reason and reference. */
  get recommended() {
    return this.metadata.recommended;
  }

  /** Warnings about the choice of scheme for this layer, one sentence each. */
  get warnings() {
    return this.metadata.warnings;
  }
}
