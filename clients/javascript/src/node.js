/** The main module, plus everything that needs a file system. */

import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Client as BaseClient } from "./client.js";
import { parseNpy } from "./npy.js";
import { initRequest } from "./requests.js";
import { parseMetadata } from "./responses.js";

export * from "./index.js";

/**
 * @import { ServiceResponse } from "./connection.js"
 * @import { InitFields, Metadata } from "./fields.js"
 * @import { FileHandle } from "node:fs/promises"
 */

/** The formats whose names differ from their extensions. */
const FORMATS_BY_EXTENSION = new Map([["bin", "raw"]]);

/** The client of the main module, with the ability to write files. */
export class Client extends BaseClient {
  /**
   * Write an initialized tensor of any size to a file, in constant memory. The file appears under its name once it is
   * complete; an error leaves nothing behind. Also rejects with the file system's errors.
   *
   * @param {string | URL} path its extension chooses the format: .npy, .safetensors, .npz, .json, or .bin for raw bytes
   * @param {Iterable<number>} shape
   * @param {InitFields & { format?: string }} [fields] those of `init`; `format` overrides the extension
   * @returns {Promise<Metadata>} how the values were made
   */
  async download(path, shape, { format, ...fields } = {}) {
    const target = path instanceof URL ? fileURLToPath(path) : path;
    const extension = extname(target).slice(1) || undefined;
    const request = initRequest(shape, fields, format ?? FORMATS_BY_EXTENSION.get(`${extension}`) ?? extension);
    return writeAtomically(target, async (file) => {
      const receiver = new FileReceiver(file);
      await this.receive(request, receiver);
      return receiver.metadata;
    });
  }
}

/**
 * Read the array in a .npy file. See `parseNpy`.
 *
 * @param {string | URL} path
 */
export async function readNpy(path) {
  return parseNpy(await readFile(path));
}

/** Receives a tensor into a file. */
class FileReceiver {
  #file;
  metadata = /** @type {Metadata} */ ({});

  /** @param {FileHandle} file */
  constructor(file) {
    this.#file = file;
  }

  /** @param {ServiceResponse} response */
  async begin(response) {
    this.metadata = await parseMetadata(response);
    await this.#file.truncate();
    return response.length;
  }

  /**
   * @param {Uint8Array} part
   * @param {number} offset
   */
  async write(part, offset) {
    for (let written = 0; written < part.length;) {
      const { bytesWritten } = await this.#file.write(part, written, part.length - written, offset + written);
      written += bytesWritten;
    }
  }
}

/**
 * Fill a temporary file beside `path`. Rename it to `path` at the end; remove it on any error.
 *
 * @template T
 * @param {string} path
 * @param {(file: FileHandle) => Promise<T>} fill
 */
async function writeAtomically(path, fill) {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}`);
  const file = await open(temporary, "wx");
  try {
    const result = await fill(file).finally(() => file.close());
    await rename(temporary, path);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
