import { valuesOf } from "./dtypes.js";

/**
 * @import { Dtype, Elements } from "./dtypes.js"
 * @import { Metadata } from "./fields.js"
 */

/** An array of any rank: its values in C order (the last index varies fastest), and its shape. */
export class Tensor {
  /**
   * @param {Elements} elements
   * @param {readonly number[]} shape
   * @param {Dtype} dtype
   */
  constructor(elements, shape, dtype) {
    /** A Float64Array for float64; for all else a Float32Array, to which float16 and bfloat16 are widened exactly. */
    this.values = valuesOf(elements, dtype);
    /** The lengths of the dimensions. */
    this.shape = shape;
    /** The name of the element type that was asked for, or that the file has. */
    this.dtype = dtype;
    /** Of float16 and bfloat16: the bits of each element, as they came. Else undefined. */
    this.bits = elements instanceof Uint16Array ? elements : undefined;
  }
}

/** The tensor that `Client.init` answers, and how it was made. */
export class Weights extends Tensor {
  /**
   * @param {Elements} elements
   * @param {Metadata} metadata
   */
  constructor(elements, metadata) {
    super(elements, metadata.shape, metadata.dtype);
    /** How the values were made, as the service says it: scheme, parameters, formula, stddev, fans and more. */
    this.metadata = metadata;
  }

  /** The seed, 0 to 2^64 - 1, also when the service chose it: the same request with it has the same values for ever. */
  get seed() {
    return BigInt(this.metadata.seed);
  }

  /** The scheme that the service recommends for this activation and these fans, with its reason and reference. */
  get recommended() {
    return this.metadata.recommended;
  }

  /** What is poor about the scheme for this layer, one sentence each; empty when nothing is. */
  get warnings() {
    return this.metadata.warnings;
  }
}
