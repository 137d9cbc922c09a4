/** All of the main module, and what needs a file system. */

import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { metadataIn } from "./answers.js";
import { Client as FetchingClient } from "./client.js";
import { parseNpy } from "./npy.js";
import { initRequest } from "./requests.js";

export * from "./index.js";

/**
 * @import { Answer } from "./connection.js"
 * @import { InitFields, Metadata } from "./fields.js"
 * @import { FileHandle } from "node:fs/promises"
 */

/** The formats whose names are not those of their extensions. */
const FORMATS = new Map([["bin", "raw"]]);

/** The client of the main module, which can write files too. */
export class Client extends FetchingClient {
  /**
   * Write an initialized tensor to a file, however large, in constant memory. The file appears under its name when it is
   * whole; an error leaves nothing behind. Rejects with the file system's errors too.
   *
   * @param {string | URL} path its extension chooses the format: .npy, .safetensors, .npz, .json, or .bin for raw bytes
   * @param {Iterable<number>} shape
   * @param {InitFields & { format?: string }} [fields] those of `init`; `format` outdoes the extension
   * @returns {Promise<Metadata>} how the values were made
   */
  async download(path, shape, { format, ...fields } = {}) {
    const target = path instanceof URL ? fileURLToPath(path) : path;
    const extension = extname(target).slice(1) || undefined;
    const request = initRequest(shape, fields, format ?? FORMATS.get(`${extension}`) ?? extension);
    return wholeOrNothing(target, async (file) => {
      const receiver = new FileReceiver(file);
      await this.receive(request, receiver);
      return receiver.metadata;
    });
  }
}

/**
 * The array in a .npy file: see `parseNpy`.
 *
 * @param {string | URL} path
 */
export async function readNpy(path) {
  return parseNpy(await readFile(path));
}

/** Takes a tensor into a file. */
class FileReceiver {
  #file;
  metadata = /** @type {Metadata} */ ({});

  /** @param {FileHandle} file */
  constructor(file) {
    this.#file = file;
  }

  /** @param {Answer} answer */
  async begin(answer) {
    this.metadata = await metadataIn(answer);
    await this.#file.truncate();
    return answer.length;
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
 * Fill a file under a temporary name beside `path`, which is renamed to it at the end and removed on any error.
 *
 * @template T
 * @param {string} path
 * @param {(file: FileHandle) => Promise<T>} fill
 */
async function wholeOrNothing(path, fill) {
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
