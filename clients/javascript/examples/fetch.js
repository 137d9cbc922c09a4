/** Fetches 64 MiB of weights for each line on stdin, and prints the seconds it took. */

import { createInterface } from "node:readline";

import { Client } from "weight-init-client";

const client = new Client();
const fetchOnce = () => client.init([4096, 4096], { scheme: "normal", seed: 7 });

await fetchOnce(); // warm up: the first fetch also compiles and connects
for await (const _line of createInterface({ input: process.stdin })) {
  const began = performance.now();
  await fetchOnce();
  console.log((performance.now() - began) / 1000);
}
