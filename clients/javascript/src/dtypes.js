/** The service's element types in typed arrays. */

/** @typedef {"float32" | "float64" | "float16" | "bfloat16"} Dtype */

/** @typedef {Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>} Values */

/** @typedef {Values | Uint16Array<ArrayBuffer>} Elements elements as they travel; of 16-bit floats the bits, for want of an array */

/**
 * How the elements of a dtype are held. `widen` answers, of the bits of a 16-bit float, those of the float32 of the same value.
 *
 * @typedef {object} Kind
 * @property {Float32ArrayConstructor | Float64ArrayConstructor | Uint16ArrayConstructor} array
 * @property {(bits: number) => number} [widen]
 */

/** @type {Record<Dtype, Kind>} */
const KINDS = {
  float32: { array: Float32Array },
  float64: { array: Float64Array },
  float16: { array: Uint16Array, widen: float16AsFloat32 },
  bfloat16: { array: Uint16Array, widen: (bits) => bits << 16 }, // the upper half of a float32
};

export const DTYPES = Object.keys(KINDS);

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * The bytes of one element.
 *
 * @param {Dtype} dtype
 */
export function itemSize(dtype) {
  return KINDS[dtype].array.BYTES_PER_ELEMENT;
}

/**
 * The elements in a buffer, without a copy. Where this machine has the other byte order, the buffer is turned to it.
 *
 * @param {ArrayBuffer} buffer
 * @param {Dtype} dtype
 * @param {boolean} [littleEndian] the order of the bytes in the buffer
 * @returns {Elements}
 */
export function elementsIn(buffer, dtype, littleEndian = true) {
  const size = itemSize(dtype);
  if (littleEndian !== LITTLE_ENDIAN) {
    const bytes = new Uint8Array(buffer);
    for (let start = 0; start < bytes.length; start += size) bytes.subarray(start, start + size).reverse();
  }
  return new KINDS[dtype].array(buffer);
}

/**
 * The values of elements: float16 and bfloat16 as the float32 numbers of the same values, in a new array.
 *
 * @param {Elements} elements
 * @param {Dtype} dtype
 * @returns {Values}
 */
export function valuesOf(elements, dtype) {
  const { widen } = KINDS[dtype];
  if (!(elements instanceof Uint16Array) || !widen) return /** @type {Values} */ (elements);
  const words = new Uint32Array(elements.length);
  for (let i = 0; i < words.length; i += 1) words[i] = widen(elements[i]);
  return new Float32Array(words.buffer);
}

/**
 * The bits of a float16 as those of the float32 of the same value.
 *
 * @param {number} bits
 */
function float16AsFloat32(bits) {
  const sign = (bits & 0x8000) << 16;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13); // infinite, or not a number
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13); // the biases are 15 and 127
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21; // subnormal: float32 has the exponents to write it with a leading 1
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
