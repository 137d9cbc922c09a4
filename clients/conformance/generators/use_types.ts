// What somebody writes who generated types with openapi-typescript. Prints, as JSON, what the test compares.

import assert from "node:assert";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./weight-init.js";

type InitRequest = components["schemas"]["InitRequest"];
type Metadata = components["schemas"]["Metadata"];

const [url, requests] = process.argv.slice(2);
assert(url && requests);
const client = createClient<paths>({ baseUrl: url });

async function content(body: InitRequest, range?: string): Promise<Uint8Array> {
  const params = range === undefined ? {} : { header: { Range: range } };
  const { data, error } = await client.POST("/init", { body, params, parseAs: "arrayBuffer" });
  assert(data, error?.detail);
  return new Uint8Array(data);
}

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

const seed = "18446744073709551615";
const convolution: InitRequest = {
  shape: [16, 3, 3, 3],
  scheme: { name: "he_normal", mode: "fan_out" },
  seed,
  dtype: "float16",
  format: "raw",
};
const fromQuery = await client.GET("/init", {
  params: { query: { shape: "16,3,3,3", scheme: "he_normal", mode: "fan_out", seed, dtype: "float16", format: "raw" } },
  parseAs: "arrayBuffer",
});
assert(fromQuery.data);
const metadata: Metadata = JSON.parse(fromQuery.response.headers.get("Weight-Init") ?? "");

const inJson = await client.POST("/init", { body: { shape: [2, 3], activation: "tanh", seed: 7, format: "json" } });
const tensor = inJson.data;
assert(typeof tensor === "object");
const advice = await client.GET("/recommend", { params: { query: { activation: "relu", fan_in: 784 } } });
assert(advice.data);
const schemes = await client.GET("/schemes");
const activations = await client.GET("/activations");
const problem = await client.POST("/init", { body: { shape: [2, 3], scheme: "he_norml" } });
assert(problem.error);

const golden: string[] = [];
for (const request of JSON.parse(await readFile(requests, "utf-8")) as InitRequest[]) {
  golden.push(sha256(await content(request)));
}

console.log(
  JSON.stringify({
    golden,
    convolution: [sha256(await content(convolution)), sha256(new Uint8Array(fromQuery.data))],
    part: [...(await content(convolution, "bytes=2-3"))],
    seed: String(metadata.seed),
    tensor: [tensor.shape, tensor.data, tensor.metadata.scheme],
    advice: [advice.data.scheme, advice.data.stddev, advice.data.alternatives[0]?.scheme],
    schemes: schemes.data?.schemes.map((row) => row.name),
    activations: activations.data?.activations.map((row) => row.name),
    problem: [problem.error.status, problem.error.errors?.[0]?.field],
  }),
);
