/** Reads files in NumPy's .npy format, which NumPy Enhancement Proposal 1 specifies. */

import { elementsIn, itemSize } from "./dtypes.js";
import { WeightInitError } from "./errors.js";
import { Tensor } from "./tensor.js";

/** @import { Dtype, Elements } from "./dtypes.js" */

const MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];

/** @type {Record<string, Dtype>} */
const DTYPES = { f2: "float16", f4: "float32", f8: "float64" };

/**
 * Return the array in the bytes of a .npy file, as a copy with its values in C order, whatever their order in the file.
 *
 * Reads versions 1, 2 and 3, float16, float32 and float64, either byte order, and any shape.
 *
 * @param {ArrayBuffer | Uint8Array} bytes
 * @throws {WeightInitError} if the bytes are anything else, or end too early
 */
export function parseNpy(bytes) {
  const file = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const { text, end } = readHeader(file);
  const { dtype, littleEndian, fortranOrder, shape } = parseHeader(text);
  const length = shape.reduce((product, axis) => product * axis, itemSize(dtype));
  if (file.length < end + length) throw unreadable(`${length} bytes of values`, `${file.length - end} bytes`);
  const elements = elementsIn(new Uint8Array(file.subarray(end, end + length)).buffer, dtype, littleEndian);
  return new Tensor(fortranOrder ? toCOrder(elements, shape) : elements, shape, dtype);
}

/** @param {Uint8Array} file */
function readHeader(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < 12 || MAGIC.some((byte, i) => byte !== file[i])) throw unreadable("a .npy file", "something else");
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw unreadable("version 1, 2 or 3 of the format", `version ${version}`);
  const start = version === 1 ? 10 : 12;
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (file.length < end) throw unreadable(`a header of ${end} bytes`, `a file of ${file.length} bytes`);
  return { text: new TextDecoder().decode(file.subarray(start, end)), end };
}

/**
 * Parse a header: a Python dict, as NumPy writes it.
 *
 * @param {string} header
 */
function parseHeader(header) {
  const [, order, kind] = /['"]descr['"]\s*:\s*['"]([<>=|]?)(f[248])['"]/.exec(header) ?? [];
  const [, fortranOrder] = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header) ?? [];
  const [, axes] = /['"]shape['"]\s*:\s*\(([\d,\sL]*)\)/.exec(header) ?? []; // NumPy on Python 2 wrote 2L
  if (kind === undefined) throw unreadable("float16, float32 or float64", header.trim());
  if (fortranOrder === undefined || axes === undefined) throw unreadable("fortran_order and shape", header.trim());
  const shape = axes
    .replaceAll("L", "")
    .split(",")
    .filter((axis) => axis.trim());
  return {
    dtype: DTYPES[kind],
    littleEndian: isLittleEndian(order),
    fortranOrder: fortranOrder === "True",
    shape: shape.map(Number),
  };
}

/**
 * Return whether values are little-endian, by the first character of their descr. Without < or > they are as on this machine.
 *
 * @param {string} order
 */
function isLittleEndian(order) {
  return order === "<" || (order !== ">" && new Uint8Array(new Uint16Array([1]).buffer)[0] === 1);
}

/**
 * Convert an array from Fortran order, in which the first index varies fastest, to C order, in which the last does.
 *
 * @template {Elements} T
 * @param {T} elements
 * @param {number[]} shape
 */
function toCOrder(elements, shape) {
  const ordered = elements.slice();
  let to = 0;
  /** @type {(axis: number, from: number, stride: number) => void} */
  const copy = (axis, from, stride) => {
    if (axis === shape.length) ordered[to++] = elements[from];
    else for (let i = 0; i < shape[axis]; i += 1) copy(axis + 1, from + i * stride, stride * shape[axis]);
  };
  copy(0, 0, 1);
  return ordered;
}

/**
 * @param {string} expected
 * @param {string} received
 */
function unreadable(expected, received) {
  const detail = `Expected ${expected}; received ${received}. Check that the file is a complete NumPy array of floats.`;
  return new WeightInitError("Unreadable .npy", detail);
}
