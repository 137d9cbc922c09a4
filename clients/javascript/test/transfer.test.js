import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { Client, WeightInitError } from "weight-init-client/node";

import { feature, stage, temporaryFolder } from "./stage.js";

const SIX_MEGABYTES = [3000, 500];

/**
 * What must be said of a failure.
 *
 * @param {number} status
 * @param {RegExp} detail
 */
function failure(status, detail) {
  return (/** @type {unknown} */ error) => {
    assert.ok(error instanceof WeightInitError);
    assert.equal(error.status, status);
    assert.match(error.detail, detail);
    assert.ok(error.title);
    return true;
  };
}

feature("key", async () => {
  const { keyed_url: url, key } = stage;
  assert.ok((await new Client({ url, apiKey: key }).schemes()).length > 0);
  assert.deepEqual((await new Client({ url, apiKey: key }).init([2, 3])).shape, [2, 3]);
  await assert.rejects(new Client({ url, apiKey: "" }).schemes(), failure(401, /./));
});

feature("retry", async () => {
  const url = stage.limited_url;
  const client = new Client({ url });
  for (let i = 0; i < 3; i += 1) assert.ok((await client.schemes()).length > 0);

  const impatient = new Client({ url, retries: 0 });
  const outcomes = await Promise.allSettled([impatient.schemes(), impatient.schemes(), impatient.schemes()]);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.ok(refused.length > 0);
  for (const { reason } of refused) failure(429, /./)(reason);
});

feature("busy", async () => {
  const client = new Client({ url: stage.busy_url, retries: 1 });
  const began = performance.now();
  await assert.rejects(client.init([100, 1000]), failure(503, /./));
  assert.ok(performance.now() - began > 900, "it waits for as long as Retry-After says");
});

feature("resume", async (context) => {
  const fields = { scheme: "normal", seed: 7 };
  const whole = await new Client({ url: stage.url }).init(SIX_MEGABYTES, fields);
  const client = new Client({ url: stage.cutting_url, retries: 1 });
  assert.deepEqual((await client.init(SIX_MEGABYTES, fields)).values, whole.values);

  const path = join(await temporaryFolder(context), "w.bin");
  await client.download(path, SIX_MEGABYTES, fields);
  assert.ok(Buffer.from(whole.values.buffer).equals(await readFile(path)));

  const impatient = new Client({ url: stage.cutting_url, retries: 0 });
  await assert.rejects(impatient.init(SIX_MEGABYTES, fields), failure(0, /broke before the whole answer came/));
});

test("what cannot be resumed is asked for anew, and not for ever", async () => {
  const client = new Client({ url: stage.cutting_url, retries: 2 });
  await assert.rejects(client.init(SIX_MEGABYTES), failure(0, /broke before the whole answer came/)); // without a seed
});

feature("timeout", async () => {
  const client = new Client({ url: stage.hanging_url, timeoutSeconds: 0.5 });
  const began = performance.now();
  await assert.rejects(client.init([2, 3]), failure(0, /^Nothing came from .* for 0.5 s\./));
  assert.ok(performance.now() - began < 10_000);
});

feature("nobody", async (context) => {
  const alone = new Client({ url: stage.closed_url, retries: 0 });
  await assert.rejects(alone.init([2, 3]), failure(0, /^No service answers at .*ECONNREFUSED.*weight-init serve/));

  const client = new Client({ url: stage.foreign_url });
  const path = join(await temporaryFolder(context), "w.npy");
  const foreign = failure(200, /<!doctype html>.*Is the URL that of a weight-init service\?$/);
  await assert.rejects(client.init([2, 3]), foreign);
  await assert.rejects(client.recommend("relu"), foreign);
  await assert.rejects(client.schemes(), foreign);
  await assert.rejects(client.download(path, [2, 3]), foreign);
});

test("a URL that is not one of HTTP is refused at once", () => {
  for (const url of ["127.0.0.1:8000", "ftp://127.0.0.1", "http://name:word@127.0.0.1", "weights"]) {
    assert.throws(() => new Client({ url }), TypeError, url);
  }
});

test("the URL may have a path, and end in a slash", async () => {
  assert.ok((await new Client({ url: `${stage.url}//` }).schemes()).length > 0);
  await assert.rejects(new Client({ url: new URL("elsewhere/", stage.url) }).schemes(), failure(404, /./));
});
