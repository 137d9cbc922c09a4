import { Client } from "weight-init-client";

const client = new Client(); // connects to WEIGHT_INIT_URL, or http://127.0.0.1:8000
const weights = await client.init([256, 784], { activation: "relu", seed: 7 });

console.log(weights.shape, weights.dtype);
console.log(...weights.values.subarray(0, 3));
console.log(weights.metadata.scheme, weights.metadata.stddev, weights.seed);
console.log(weights.recommended.reason);
