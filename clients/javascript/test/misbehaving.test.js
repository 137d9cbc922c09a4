/** Tests the client against services and proxies that misbehave. */

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
 * Start a server that handles the n-th request (n = 0, 1, ...) with `respond`. Return a client of it, and count its requests.
 *
 * @param {import("node:test").TestContext} context
 * @param {(response: Response, n: number, request: import("node:http").IncomingMessage) => unknown} respond
 * @param {import("weight-init-client").ClientOptions} [options]
 */
async function startServer(context, respond, options) {
  const server = createServer((request, response) => {
    result.requests += 1;
    respond(response, result.requests - 1, request);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const result = { requests: 0, client: new Client({ url: `http://127.0.0.1:${port}`, ...options }) };
  return result;
}

/**
 * Send the status and headers of a tensor's response.
 *
 * @param {Response} response
 * @param {{ status?: number, [header: string]: any }} [changes]
 */
function begin(response, { status = 200, ...headers } = {}) {
  const metadata = JSON.stringify({ shape: SHAPE, dtype: "float32", seed: 7 });
  const defaults = { "Weight-Init": metadata, "Content-Length": BYTES.length, ETag: '"one"', "Accept-Ranges": "bytes" };
  const entries = Object.entries({ ...defaults, ...headers }).filter(([, value]) => value !== undefined);
  response.writeHead(status, Object.fromEntries(entries));
}

/**
 * Send the first half of a response and then break the connection.
 *
 * @param {Response} response
 * @param {{ [header: string]: any }} [changes]
 */
function breakOff(response, changes) {
  begin(response, changes);
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

test("requests the rest from where the response broke", async (context) => {
  const server = await startServer(context, (response, n, { headers }) => {
    if (n === 0) return breakOff(response);
    assert.deepEqual([headers.range, headers["if-range"]], ["bytes=8-", '"one"']);
    begin(response, { status: 206, "Content-Range": "bytes 8-15/16", "Content-Length": 8 });
    response.end(BYTES.subarray(8));
  });
  assert.deepEqual((await server.client.init(SHAPE)).values, VALUES);
});

test("starts over if the whole response comes instead of the rest", async (context) => {
  const server = await startServer(context, (response, n) => {
    if (n === 0) return breakOff(response, { ETag: '"another"' });
    begin(response);
    response.end(BYTES);
  });
  assert.deepEqual((await server.client.init(SHAPE)).values, VALUES);
});

for (const [what, headers] of /** @type {const} */ ([
  ["another range", { "Content-Range": "bytes 4-15/16", "Content-Length": 12 }],
  ["another version", { "Content-Range": "bytes 8-15/16", "Content-Length": 8, ETag: '"another"' }],
])) {
  test(`refuses a rest with ${what}`, async (context) => {
    const server = await startServer(context, (response, n) => {
      if (n === 0) return breakOff(response);
      begin(response, { status: 206, ...headers });
      response.end(BYTES.subarray(16 - headers["Content-Length"]));
    });
    await assert.rejects(server.client.init(SHAPE), failure(206, /^Expected the bytes from 8 on of "one"; received/));
  });
}

for (const headers of [{ ETag: 'W/"weak"' }, { "Accept-Ranges": "none" }]) {
  test(`starts over if ${Object.keys(headers)} forbids resuming`, async (context) => {
    const server = await startServer(context, (response, n, request) => {
      assert.equal(request.headers.range, undefined);
      if (n === 0) return breakOff(response, headers);
      begin(response, headers);
      response.end(BYTES);
    });
    assert.deepEqual((await server.client.init(SHAPE)).values, VALUES);
  });
}

test("stops after the retries if the connection keeps breaking", async (context) => {
  const server = await startServer(context, (response) => response.destroy(), { retries: 2 });
  await assert.rejects(server.client.schemes(), failure(0, /^No service responds at /));
  assert.equal(server.requests, 3);
});

test("does not retry if the wait is too long", async (context) => {
  const server = await startServer(context, (response) => response.writeHead(503, { "Retry-After": "61" }).end());
  await assert.rejects(
    server.client.schemes(),
    failure(503, /^Expected a response from weight-init; received status 503/),
  );
  assert.equal(server.requests, 1);
});

test("times out if the server goes silent in the middle of a response", async (context) => {
  const stall = (/** @type {Response} */ response) => {
    begin(response);
    response.write(BYTES.subarray(0, 8));
  };
  const server = await startServer(context, stall, { timeoutSeconds: 0.2 });
  await assert.rejects(server.client.init(SHAPE), failure(0, /^No data arrived from .* for 0.2 s\./));
  assert.equal(server.requests, 1);
});

test("refuses a length that does not match the shape", async (context) => {
  const server = await startServer(context, (response) => {
    begin(response, { "Content-Length": 12 });
    response.end(BYTES.subarray(0, 12));
  });
  await assert.rejects(
    server.client.init(SHAPE),
    failure(200, /^Expected 16 bytes for float32 \[4\]; received 12 bytes/),
  );
});

test("refuses more bytes than announced", async (context) => {
  const server = await startServer(context, (response) => {
    begin(response, { "Content-Length": undefined, "Transfer-Encoding": "chunked" });
    response.write(BYTES);
    response.end(BYTES);
  });
  await assert.rejects(server.client.init(SHAPE), failure(200, /^Expected 16 bytes, as announced; received more/));
});

test("shows the page of a failed proxy", async (context) => {
  const server = await startServer(context, (response) => response.writeHead(502).end("<html>Bad Gateway"));
  await assert.rejects(server.client.init(SHAPE), failure(502, /received status 502 and "<html>Bad Gateway"/));
});

test("refuses a response without the expected list", async (context) => {
  const server = await startServer(context, (response) => response.end('{"schemes": 3}'));
  await assert.rejects(server.client.schemes(), failure(200, /^Expected a list of schemes; received/));
});
