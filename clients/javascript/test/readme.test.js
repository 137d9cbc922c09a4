import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { stage } from "./stage.js";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url)); // inside it, the package's name resolves to the package itself
const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
const blocks = Array.from(readme.matchAll(/^```javascript\n(.*?)^```/gms), ([, block]) => block);

test("finds the examples in the README", () => assert.ok(blocks.length >= 7));

for (const [i, block] of blocks.entries()) {
  test(`README example ${i + 1} runs`, async (context) => {
    const cwd = await mkdtemp(join(PACKAGE, ".readme-"));
    context.after(() => rm(cwd, { recursive: true }));
    await writeFile(join(cwd, "example.js"), block.replaceAll("http://127.0.0.1:8000", stage.url));
    const env = { ...process.env, WEIGHT_INIT_URL: stage.url };
    const { stdout } = await promisify(execFile)(process.execPath, ["example.js"], { cwd, env });
    assert.ok(stdout.length > 0);
  });
}
