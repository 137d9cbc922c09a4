/** The services to test the client on, and the report of the features that the tests prove. */

import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const file = process.env.WEIGHT_INIT_STAGE;
if (!file) throw new Error("WEIGHT_INIT_STAGE: expected the name of a stage file. Run `make test-clients`.");

/**
 * The URLs of services in various states, the golden responses, and .npy files written by NumPy.
 *
 * @type {{ golden: any[], npy: any[], [url: string]: any }}
 */
export const stage = JSON.parse(await readFile(file, "utf8"));

/**
 * Test a feature that every client has, and report it if the test passes.
 *
 * @param {string} name
 * @param {(context: import("node:test").TestContext) => Promise<void>} body
 */
export function feature(name, body) {
  test(name, async (context) => {
    await body(context);
    if (process.env.WEIGHT_INIT_REPORT) await appendFile(process.env.WEIGHT_INIT_REPORT, `${name}\n`);
  });
}

/** @param {NodeJS.ArrayBufferView} bytes */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Return a folder that is removed after the test.
 *
 * @param {import("node:test").TestContext} context
 */
export async function temporaryFolder(context) {
  const folder = await mkdtemp(join(tmpdir(), "weight-init-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}
