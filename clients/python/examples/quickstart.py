"""Fetch the weights of a layer before ReLU, and print how they were made and a warning about a poor choice."""

from weight_init import Client

with Client() as client:
    weights = client.init((256, 784), activation="relu", seed=7)
    poor = client.init((256, 784), activation="relu", scheme="xavier_uniform", seed=7)

print(weights.shape, weights.dtype, weights[0, :3])
print(weights.metadata["scheme"], "with a standard deviation of", weights.metadata["stddev"])
print(weights.recommended["reason"])
print(*poor.warnings)
