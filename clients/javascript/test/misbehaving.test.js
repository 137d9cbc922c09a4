/** Services and proxies as they should not be. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { Client, WeightInitError } from "weight-init-client";

const SHAPE = [4];
const VALUES = Float32Array.of(1, 2, 3, 4);
const BYTES = new Uint8Array(VALUES.buffer);

/** @typedef {import("node:http").ServerResponse} Response */

/**
 * A client of a server that answers the n-th request, n = 0, 1 ..., as it is told to; and how often it was asked.
 *
 * @param {import("node:test").TestContext} context
 * @param {(response: Response, n: number, request: import("node:http").IncomingMessage) => unknown} answer
 * @param {import("weight-init-client").ClientOptions} [options]
 */
async function served(context, answer, options) {
  const server = createServer((request, response) => {
    seen.asked += 1;
    answer(response, seen.asked - 1, request);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const seen = { asked: 0, client: new Client({ url: `http://127.0.0.1:${port}`, ...options }) };
  return seen;
}

/**
 * The head of a tensor's answer.
 *
 * @param {Response} response
 * @param {{ status?: number, [header: string]: any }} [differing]
 */
function begin(response, { status = 200, ...headers } = {}) {
  const metadata = JSON.stringify({ shape: SHAPE, dtype: "float32", seed: 7 });
  const ordinary = { "Weight-Init": metadata, "Content-Length": BYTES.length, ETag: '"one"', "Accept-Ranges": "bytes" };
  const given = Object.entries({ ...ordinary, ...headers }).filter(([, value]) => value !== undefined);
  response.writeHead(status, Object.fromEntries(given));
}

/**
 * The first half of an answer, and then the end of its connection.
 *
 * @param {Response} response
 * @param {{ [header: string]: any }} [differing]
 */
function breakOff(response, differing) {
  begin(response, differing);
  response.write(BYTES.subarray(0, 8), () => setImmediate(() => response.destroy()));
}

/**
 * @param {number} status
 * @param {RegExp} message
 */
function failure(status, message) {
  return (/** @type {unknown} */ error) => {
    assert.ok(error instanceof WeightInitError);
    assert.equal(error.status, status);
    assert.match(error.message, message);
    return true;
  };
}

test("the rest is asked for where the answer broke", async (context) => {
  const seen = await served(context, (response, n, { headers }) => {
    if (n === 0) return breakOff(response);
    assert.deepEqual([headers.range, headers["if-range"]], ["bytes=8-", '"one"']);
    begin(response, { status: 206, "Content-Range": "bytes 8-15/16", "Content-Length": 8 });
    response.end(BYTES.subarray(8));
  });
  assert.deepEqual((await seen.client.init(SHAPE)).values, VALUES);
});

test("a whole answer instead of the rest is taken from its beginning", async (context) => {
  const seen = await served(context, (response, n) => {
    if (n === 0) return breakOff(response, { ETag: '"another"' });
    begin(response);
    response.end(BYTES);
  });
  assert.deepEqual((await seen.client.init(SHAPE)).values, VALUES);
});

for (const [what, headers] of /** @type {const} */ ([
  ["another beginning", { "Content-Range": "bytes 4-15/16", "Content-Length": 12 }],
  ["another version", { "Content-Range": "bytes 8-15/16", "Content-Length": 8, ETag: '"another"' }],
])) {
  test(`a rest of ${what} is refused`, async (context) => {
    const seen = await served(context, (response, n) => {
      if (n === 0) return breakOff(response);
      begin(response, { status: 206, ...headers });
      response.end(BYTES.subarray(16 - headers["Content-Length"]));
    });
    await assert.rejects(seen.client.init(SHAPE), failure(206, /^Expected the bytes from 8 on of "one"; received/));
  });
}

for (const headers of [{ ETag: 'W/"weak"' }, { "Accept-Ranges": "none" }]) {
  test(`without ${Object.keys(headers)} there is no rest to ask for`, async (context) => {
    const seen = await served(context, (response, n, request) => {
      assert.equal(request.headers.range, undefined);
      if (n === 0) return breakOff(response, headers);
      begin(response, headers);
      response.end(BYTES);
    });
    assert.deepEqual((await seen.client.init(SHAPE)).values, VALUES);
  });
}

test("a connection that breaks is made so many times more, and no more", async (context) => {
  const seen = await served(context, (response) => response.destroy(), { retries: 2 });
  await assert.rejects(seen.client.schemes(), failure(0, /^No service answers at /));
  assert.equal(seen.asked, 3);
});

test("who is to wait too long is told at once", async (context) => {
  const seen = await served(context, (response) => response.writeHead(503, { "Retry-After": "61" }).end());
  await assert.rejects(seen.client.schemes(), failure(503, /^Expected an answer of weight-init; received status 503/));
  assert.equal(seen.asked, 1);
});

test("a silence in the middle of an answer is not waited for", async (context) => {
  const stop = (/** @type {Response} */ response) => {
    begin(response);
    response.write(BYTES.subarray(0, 8));
  };
  const seen = await served(context, stop, { timeoutSeconds: 0.2 });
  await assert.rejects(seen.client.init(SHAPE), failure(0, /^Nothing came from .* for 0.2 s\./));
  assert.equal(seen.asked, 1);
});

test("lengths that disagree are an error", async (context) => {
  const seen = await served(context, (response) => {
    begin(response, { "Content-Length": 12 });
    response.end(BYTES.subarray(0, 12));
  });
  await assert.rejects(
    seen.client.init(SHAPE),
    failure(200, /^Expected 16 bytes for float32 \[4\]; received 12 bytes/),
  );
});

test("more bytes than announced are an error", async (context) => {
  const seen = await served(context, (response) => {
    begin(response, { "Content-Length": undefined, "Transfer-Encoding": "chunked" });
    response.write(BYTES);
    response.end(BYTES);
  });
  await assert.rejects(seen.client.init(SHAPE), failure(200, /^Expected 16 bytes, as announced; received more/));
});

test("a page of an error is shown", async (context) => {
  const seen = await served(context, (response) => response.writeHead(502).end("<html>Bad Gateway"));
  await assert.rejects(seen.client.init(SHAPE), failure(502, /received status 502 and "<html>Bad Gateway"/));
});

test("a list of something else is an error", async (context) => {
  const seen = await served(context, (response) => response.end('{"schemes": 3}'));
  await assert.rejects(seen.client.schemes(), failure(200, /^Expected a list of schemes; received/));
});
