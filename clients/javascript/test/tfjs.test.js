import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "weight-init-client";

import { stage } from "./stage.js";

test("a TensorFlow.js dense layer computes with the values", async () => {
  const client = new Client({ url: stage.url });
  const kernel = await client.init([784, 256], { layout: "keras", activation: "relu", seed: 7 });
  const model = sequential({ layers: [layers.dense({ inputShape: [784], units: 256, activation: "relu" })] });
  model.layers[0].setWeights([tf.tensor(kernel.values, [784, 256]), tf.zeros([256])]);
  assert.deepEqual(await model.layers[0].getWeights()[0].data(), kernel.values);

  const row = 500;
  const output = /** @type {tf.Tensor} */ (model.predict(tf.oneHot(tf.tensor1d([row], "int32"), 784)));
  const expected = kernel.values.subarray(256 * row, 256 * (row + 1)).map((value) => Math.max(value, 0));
  assert.deepEqual(await output.data(), expected);
});
