import { Client } from "weight-init-client";

const client = new Client(); // of http://127.0.0.1:8000, or of the URL that WEIGHT_INIT_URL names
const weights = await client.init([256, 784], { activation: "relu", seed: 7 });

console.log(weights.shape, weights.dtype);
console.log(...weights.values.subarray(0, 3));
console.log(weights.metadata.scheme, weights.metadata.stddev, weights.seed);
console.log(weights.recommended.reason);
