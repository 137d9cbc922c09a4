import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, WeightInitError } from "weight-init-client";

import { elementsIn, valuesOf } from "../src/dtypes.js";
import { feature, sha256, stage } from "./stage.js";

const LARGEST_SEED = 18446744073709551615n;

const client = new Client({ url: stage.url });

feature("golden", async () => {
  assert.ok(stage.golden.length > 50);
  for (const { request, answer } of stage.golden) {
    const { shape, ...fields } = request;
    const weights = await client.init(shape, fields);
    const which = JSON.stringify(request);
    assert.equal(sha256(weights.bits ?? weights.values), answer.sha256, which);
    assert.equal(weights.dtype, answer.dtype, which);
    assert.deepEqual(weights.shape, answer.shape, which);
    assert.deepEqual([...weights.values.subarray(0, answer.first.length)], answer.first, which);
  }
});

feature("wide", async () => {
  const narrow = await client.init([64, 64], { activation: "relu", seed: 7 });
  assert.ok(narrow.values instanceof Float32Array);
  assert.equal(narrow.bits, undefined);

  const wide = await client.init([64, 64], { activation: "relu", seed: 7, dtype: "float64" });
  assert.ok(wide.values instanceof Float64Array);
  wide.values.forEach((value, i) => assert.ok(Math.abs(value - narrow.values[i]) < 1e-6));
  assert.ok(wide.values.some((value) => value !== Math.fround(value)));

  for (const [dtype, expected] of /** @type {const} */ ([
    ["float16", float16],
    ["bfloat16", bfloat16],
  ])) {
    const half = await client.init([64, 64], { activation: "relu", seed: 7, dtype });
    assert.ok(half.values instanceof Float32Array);
    assert.equal(half.dtype, dtype);
    assert.deepEqual([...half.values], Array.from(half.bits ?? [], expected));
    half.values.forEach((value, i) =>
      assert.ok(Math.abs(value - narrow.values[i]) <= Math.abs(narrow.values[i]) / 128),
    );
  }
  checkAllSixteenBitPatterns();
});

/** Check all 65,536 patterns of 16 bits. */
function checkAllSixteenBitPatterns() {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  assert.deepEqual([...valuesOf(bits, "float16")], Array.from(bits, float16));
  assert.deepEqual([...valuesOf(bits, "bfloat16")], Array.from(bits, bfloat16));
  const special = Uint16Array.of(0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000);
  const values = [2 ** -24, -(2 ** -24), 1023 * 2 ** -24, 2 ** -14, 65504, Infinity, -Infinity, NaN, -0];
  assert.deepEqual([...valuesOf(special, "float16")], values);
}

/** @param {number} bits */
function float16(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
}

/** @param {number} bits */
function bfloat16(bits) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

test("elementsIn swaps bytes of the other byte order", () => {
  const view = new DataView(new ArrayBuffer(16));
  [0.25, -3].forEach((value, i) => view.setFloat64(8 * i, value));
  assert.deepEqual(elementsIn(view.buffer, "float64", false), Float64Array.of(0.25, -3));
});

feature("seed", async () => {
  const { request, answer } = stage.golden.find((row) => row.request.seed === String(LARGEST_SEED));
  for (const seed of [LARGEST_SEED, String(LARGEST_SEED)]) {
    const weights = await client.init(request.shape, { ...request, seed });
    assert.equal(sha256(weights.values), answer.sha256);
    assert.equal(weights.seed, LARGEST_SEED);
  }
  for (const seed of [0, 7, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 53n + 1n]) {
    assert.equal((await client.init([2, 3], { seed })).seed, BigInt(seed));
  }
  const [first, second] = [await client.init([2, 3]), await client.init([2, 3])];
  assert.notEqual(first.seed, second.seed);
  assert.deepEqual((await client.init([2, 3], { seed: first.seed })).values, first.values);
});

test("rejects a seed that is a number too large to be exact", async () => {
  await assert.rejects(client.init([2, 3], { seed: 2 ** 53 }), (error) => {
    assert.ok(error instanceof WeightInitError);
    assert.match(error.message, /^seed: expected a bigint or a string/);
    assert.equal(error.errors[0].field, "seed");
    return true;
  });
});

feature("slice", async () => {
  const whole = await client.init([64, 64], { activation: "tanh", seed: 7 });
  const part = await client.init([64, 64], { activation: "tanh", seed: 7, slice: "10:20, ::-3" });
  const expected = [];
  for (let row = 10; row < 20; row += 1) {
    for (let column = 63; column >= 0; column -= 3) expected.push(whole.values[64 * row + column]);
  }
  assert.deepEqual(part.shape, [10, 22]);
  assert.deepEqual([...part.values], expected);
});

feature("advice", async () => {
  const advice = await client.recommend("relu", { fan_in: 784 });
  assert.equal(advice.scheme, "he_normal");
  assert.ok(Math.abs((advice.stddev ?? 0) - Math.sqrt(2 / 784)) < 1e-9);
  assert.ok((await client.schemes()).some(({ name }) => name === "he_normal"));
  assert.ok((await client.activations()).some(({ name }) => name === "relu"));
});

test("recommend accepts formulas and layers", async () => {
  const formula = await client.recommend({ expression: "x*tanh(softplus(x))" });
  assert.equal(formula.scheme, "variance_scaling");
  const layer = await client.recommend(undefined, { layer: "residual_output", num_layers: 12 });
  assert.equal(layer.scheme, "gpt2_residual");
});

test("weights have a recommendation and warnings", async () => {
  const weights = await client.init([4, 3], { activation: "relu", scheme: "zeros" });
  assert.equal(weights.recommended.scheme, "he_normal");
  assert.match(weights.warnings[0], /^zeros: /);
});

feature("error", async () => {
  await assert.rejects(client.init([2, 3], { scheme: "he_norml" }), (error) => {
    assert.ok(error instanceof WeightInitError);
    assert.equal(error.status, 422);
    assert.equal(error.title, "Unprocessable Entity");
    assert.match(error.detail, /Did you mean 'he_normal'/);
    assert.equal(error.message, error.detail);
    assert.equal(error.errors[0].field, "scheme");
    assert.equal(error.errors[0].received, "'he_norml'");
    return true;
  });
});

test("sends NaN as text, so that the service can report it", async () => {
  await assert.rejects(client.init([2, 3], { scheme: "normal", stddev: NaN }), /received 'NaN'/);
});
