import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { Client, WeightInitError } from "weight-init-client/node";

import { feature, stage, temporaryFolder } from "./stage.js";

const SIX_MEGABYTES = [3000, 500];

/**
 * Return a check that an error has this status and detail.
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

  const noRetries = new Client({ url, retries: 0 });
  const outcomes = await Promise.allSettled([noRetries.schemes(), noRetries.schemes(), noRetries.schemes()]);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.ok(refused.length > 0);
  for (const { reason } of refused) failure(429, /./)(reason);
});

feature("busy", async () => {
  const client = new Client({ url: stage.busy_url, retries: 1 });
  const began = performance.now();
  await assert.rejects(client.init([100, 1000]), failure(503, /./));
  assert.ok(performance.now() - began > 900, "the client waits as long as Retry-After says");
});

feature("resume", async (context) => {
  const fields = { scheme: "normal", seed: 7 };
  const whole = await new Client({ url: stage.url }).init(SIX_MEGABYTES, fields);
  const client = new Client({ url: stage.cutting_url, retries: 1 });
  assert.deepEqual((await client.init(SIX_MEGABYTES, fields)).values, whole.values);

  const path = join(await temporaryFolder(context), "w.bin");
  await client.download(path, SIX_MEGABYTES, fields);
  assert.ok(Buffer.from(whole.values.buffer).equals(await readFile(path)));

  const noRetries = new Client({ url: stage.cutting_url, retries: 0 });
  await assert.rejects(noRetries.init(SIX_MEGABYTES, fields), failure(0, /broke before the response was complete/));
});

test("starting over is limited by the retries", async () => {
  const client = new Client({ url: stage.cutting_url, retries: 2 });
  await assert.rejects(client.init(SIX_MEGABYTES), failure(0, /broke before the response was complete/)); // without a seed
});

feature("timeout", async () => {
  const client = new Client({ url: stage.hanging_url, timeoutSeconds: 0.5 });
  const began = performance.now();
  await assert.rejects(client.init([2, 3]), failure(0, /^No data arrived from .* for 0.5 s\./));
  assert.ok(performance.now() - began < 10_000);
});

feature("nobody", async (context) => {
  const unreachable = new Client({ url: stage.closed_url, retries: 0 });
  await assert.rejects(
    unreachable.init([2, 3]),
    failure(0, /^No service responds at .*ECONNREFUSED.*weight-init serve/),
  );

  const client = new Client({ url: stage.foreign_url });
  const path = join(await temporaryFolder(context), "w.npy");
  const otherService = failure(200, /<!doctype html>.*Check that the URL points to a weight-init service\.$/);
  await assert.rejects(client.init([2, 3]), otherService);
  await assert.rejects(client.recommend("relu"), otherService);
  await assert.rejects(client.schemes(), otherService);
  await assert.rejects(client.download(path, [2, 3]), otherService);
});

test("rejects a URL that is not http or has a password", () => {
  for (const url of ["127.0.0.1:8000", "ftp://127.0.0.1", "http://name:word@127.0.0.1", "weights"]) {
    assert.throws(() => new Client({ url }), TypeError, url);
  }
});

test("the URL can have a path and end in a slash", async () => {
  assert.ok((await new Client({ url: `${stage.url}//` }).schemes()).length > 0);
  await assert.rejects(new Client({ url: new URL("elsewhere/", stage.url) }).schemes(), failure(404, /./));
});
