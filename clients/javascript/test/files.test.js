import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { parseNpy } from "weight-init-client";
import { Client, readNpy, WeightInitError } from "weight-init-client/node";

import { feature, sha256, stage, temporaryFolder } from "./stage.js";

const client = new Client({ url: stage.url });

feature("download", async (context) => {
  const folder = await temporaryFolder(context);
  const fileRows = stage.golden.filter(({ request }) => request.format !== "raw");
  const rows = [...fileRows, stage.golden.find(({ request }) => request.format === "raw")];
  assert.ok(rows.length >= 4);
  const names = [];
  for (const [i, { request, answer }] of rows.entries()) {
    const { shape, format, ...fields } = request;
    names.push(`${i}.${format === "raw" ? "bin" : format}`);
    const path = join(folder, names[i]);
    const metadata = await client.download(path, shape, fields);
    assert.equal(sha256(await readFile(path)), answer.file_sha256, JSON.stringify(request));
    assert.deepEqual(metadata.shape, answer.shape);
  }
  await assert.rejects(client.download(join(folder, "no.npy"), [2, 3], { scheme: "he_norml" }), WeightInitError);
  assert.deepEqual((await readdir(folder)).sort(), names.sort());
});

test("download replaces an existing file only once the new one is complete", async (context) => {
  const path = join(await temporaryFolder(context), "w.npy");
  await client.download(path, [2, 3], { seed: 7 });
  await assert.rejects(client.download(path, [2, 3], { scheme: "he_norml" }), WeightInitError);
  assert.deepEqual((await readNpy(path)).shape, [2, 3]);
  await client.download(pathToFileURL(path), [3, 2], { seed: 7 });
  assert.deepEqual((await readNpy(pathToFileURL(path))).shape, [3, 2]);
});

test("the format overrides the extension", async (context) => {
  const path = join(await temporaryFolder(context), "w.weights");
  await assert.rejects(client.download(path, [2, 3]), /^WeightInitError: format: /);
  await client.download(path, [2, 3], { format: "npy", seed: 7 });
  assert.deepEqual((await readNpy(path)).values, (await client.init([2, 3], { seed: 7 })).values);
});

test("a missing folder causes a file system error", async (context) => {
  const path = join(await temporaryFolder(context), "nowhere", "w.npy");
  await assert.rejects(client.download(path, [2, 3]), { code: "ENOENT" });
});

feature("npy", async () => {
  assert.ok(stage.npy.length > 10);
  for (const { file, refused, dtype, shape, values } of stage.npy) {
    if (refused) {
      await assert.rejects(readNpy(file), WeightInitError, file);
    } else {
      const tensor = await readNpy(file);
      assert.equal(tensor.dtype, dtype, file);
      assert.deepEqual(tensor.shape, shape, file);
      assert.deepEqual([...tensor.values], values, file);
      assert.ok(tensor.values instanceof (dtype === "float64" ? Float64Array : Float32Array), file);
      assert.equal(tensor.bits?.length, dtype === "float16" ? values.length : undefined, file);
    }
  }
});

test("parseNpy reads bytes at any offset and does not change them", async () => {
  const { file, values } = stage.npy.find((row) => row.file?.endsWith("big-endian.npy"));
  const bytes = await readFile(file);
  const memory = new Uint8Array(bytes.length + 3);
  memory.set(bytes, 3);
  const tensor = parseNpy(memory.subarray(3));
  assert.deepEqual([...tensor.values], values);
  assert.ok(bytes.equals(memory.subarray(3)));
  assert.deepEqual(parseNpy(new Uint8Array(bytes).buffer), tensor);
});
