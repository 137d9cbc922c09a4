feature("advice", {
  advice <- wi_recommend(client, "relu", fan_in = 784)
  expect_identical(advice$scheme, "he_normal")
  expect_equal(advice$stddev, sqrt(2 / 784))
  expect_identical(wi_recommend(client, layer = "residual_output", num_layers = 12)$scheme, "gpt2_residual")
  expect_gt(wi_recommend(client, list(expression = "x*tanh(x)"), fan_in = 10)$stddev, 0)
  expect_true("he_normal" %in% wi_schemes(client)$name)
  expect_true("relu" %in% wi_activations(client)$name)
})
