/** The service's element types as typed arrays. */

/** @typedef {"float32" | "float64" | "float16" | "bfloat16"} Dtype */

/** @typedef {Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>} Values */

/** @typedef {Values | Uint16Array<ArrayBuffer>} Elements elements as received; 16-bit floats are kept as their bits */

/**
 * How the elements of a dtype are stored. `widen` converts the bits of a 16-bit float to those of the equal float32.
 *
 * @typedef {object} Storage
 * @property {Float32ArrayConstructor | Float64ArrayConstructor | Uint16ArrayConstructor} array
 * @property {(bits: number) => number} [widen]
 */

/** @type {Record<Dtype, Storage>} */
const STORAGE = {
  float32: { array: Float32Array },
  float64: { array: Float64Array },
  float16: { array: Uint16Array, widen: float16AsFloat32 },
  bfloat16: { array: Uint16Array, widen: (bits) => bits << 16 }, // a bfloat16 is the upper half of a float32
};

export const DTYPES = Object.keys(STORAGE);

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Return the size of one element in bytes.
 *
 * @param {Dtype} dtype
 */
export function itemSize(dtype) {
  return STORAGE[dtype].array.BYTES_PER_ELEMENT;
}

/**
 * Return the elements in a buffer, without a copy. If its byte order is not the machine's, the buffer is swapped in place.
 *
 * @param {ArrayBuffer} buffer
 * @param {Dtype} dtype
 * @param {boolean} [littleEndian] the byte order of the buffer
 * @returns {Elements}
 */
export function elementsIn(buffer, dtype, littleEndian = true) {
  const size = itemSize(dtype);
  if (littleEndian !== LITTLE_ENDIAN) {
    const bytes = new Uint8Array(buffer);
    for (let start = 0; start < bytes.length; start += size) bytes.subarray(start, start + size).reverse();
  }
  return new STORAGE[dtype].array(buffer);
}

/**
 * Return the values of elements. float16 and bfloat16 are widened to float32, in a new array.
 *
 * @param {Elements} elements
 * @param {Dtype} dtype
 * @returns {Values}
 */
export function valuesOf(elements, dtype) {
  const { widen } = STORAGE[dtype];
  if (!(elements instanceof Uint16Array) || !widen) return /** @type {Values} */ (elements);
  const words = new Uint32Array(elements.length);
  for (let i = 0; i < words.length; i += 1) words[i] = widen(elements[i]);
  return new Float32Array(words.buffer);
}

/**
 * Convert the bits of a float16 to those of the equal float32.
 *
 * @param {number} bits
 */
function float16AsFloat32(bits) {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinity or NaN
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13); // the exponent biases are 15 and 127
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // a subnormal, which is a normal number in float32
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
