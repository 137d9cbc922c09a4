/** The services on which the client is tested, and the report of what was shown on them. */

import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const file = process.env.WEIGHT_INIT_STAGE;
if (!file) throw new Error("WEIGHT_INIT_STAGE names no stage to test on: run `make test-clients`");

/**
 * The URLs of services in every state, the golden answers, and the .npy files that NumPy wrote.
 *
 * @type {{ golden: any[], npy: any[], [url: string]: any }}
 */
export const stage = JSON.parse(await readFile(file, "utf8"));

/**
 * A test of a feature that every client has. It is reported when it has passed.
 *
 * @param {string} name
 * @param {(context: import("node:test").TestContext) => Promise<void>} show
 */
export function feature(name, show) {
  test(name, async (context) => {
    await show(context);
    if (process.env.WEIGHT_INIT_REPORT) await appendFile(process.env.WEIGHT_INIT_REPORT, `${name}\n`);
  });
}

/** @param {NodeJS.ArrayBufferView} bytes */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * A folder that lasts as long as a test.
 *
 * @param {import("node:test").TestContext} context
 */
export async function temporaryFolder(context) {
  const folder = await mkdtemp(join(tmpdir(), "weight-init-"));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}
