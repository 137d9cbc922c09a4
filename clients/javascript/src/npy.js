/** Files in NumPy's format. Its specification is NumPy Enhancement Proposal 1. */

import { elementsIn, itemSize } from "./dtypes.js";
import { WeightInitError } from "./errors.js";
import { Tensor } from "./tensor.js";

/** @import { Dtype, Elements } from "./dtypes.js" */

const MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];

/** @type {Record<string, Dtype>} */
const DTYPES = { f2: "float16", f4: "float32", f8: "float64" };

/**
 * The array in the bytes of a .npy file, in memory of its own, with its values in C order whatever their order in the file.
 *
 * Versions 1, 2 and 3; float16, float32 and float64 of either byte order; any shape.
 *
 * @param {ArrayBuffer | Uint8Array} bytes
 * @throws {WeightInitError} if they are something else, or end too early
 */
export function parseNpy(bytes) {
  const file = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const { text, end } = headerOf(file);
  const { dtype, littleEndian, fortranOrder, shape } = described(text);
  const length = shape.reduce((product, axis) => product * axis, itemSize(dtype));
  if (file.length < end + length) throw refused(`${length} bytes of values`, `${file.length - end}`);
  const elements = elementsIn(new Uint8Array(file.subarray(end, end + length)).buffer, dtype, littleEndian);
  return new Tensor(fortranOrder ? inCOrder(elements, shape) : elements, shape, dtype);
}

/** @param {Uint8Array} file */
function headerOf(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < 12 || MAGIC.some((byte, i) => byte !== file[i])) throw refused("a .npy file", "something else");
  const version = view.getUint8(6);
  if (version < 1 || version > 3) throw refused("version 1, 2 or 3 of the format", `version ${version}`);
  const start = version === 1 ? 10 : 12;
  const end = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (file.length < end) throw refused(`a header of ${end} bytes`, `a file of ${file.length}`);
  return { text: new TextDecoder().decode(file.subarray(start, end)), end };
}

/**
 * What a header says: a dict of Python, as NumPy writes it.
 *
 * @param {string} header
 */
function described(header) {
  const [, order, kind] = /'descr': *'([<>])(f[248])'/.exec(header) ?? [];
  const [, fortranOrder] = /'fortran_order': *(True|False)/.exec(header) ?? [];
  const [, axes] = /'shape': *\(([\d, ]*)\)/.exec(header) ?? [];
  if (kind === undefined) throw refused("float16, float32 or float64", header.trim());
  if (fortranOrder === undefined || axes === undefined) throw refused("fortran_order and shape", header.trim());
  const shape = axes.split(",").filter((axis) => axis.trim());
  return {
    dtype: DTYPES[kind],
    littleEndian: order === "<",
    fortranOrder: fortranOrder === "True",
    shape: shape.map(Number),
  };
}

/**
 * The same array in C order, whose last index varies fastest, from Fortran order, whose first does.
 *
 * @template {Elements} T
 * @param {T} elements
 * @param {number[]} shape
 */
function inCOrder(elements, shape) {
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
function refused(expected, received) {
  const detail = `Expected ${expected}; received ${received}. Is the file whole, and one of NumPy's arrays of floats?`;
  return new WeightInitError("Unreadable .npy", detail);
}
