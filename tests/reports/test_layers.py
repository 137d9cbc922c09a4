"""Reports of tensors whose values were wrong for their layer: grouped, packed, transposed, stacked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.reports.report import Report, Result, Values, check, fans, same_as, singular_values, stddev

HE = "He et al. 2015, equation 10: σ = √(2/fan_in)"
SAXE = "Saxe et al. 2013: each matrix that a state or a signal passes through is orthogonal, so its singular values are 1"
UPSAMPLED_ONES = "Long et al. 2014: interpolation keeps a constant image constant"


def upsampled_ones(result: Result) -> Values:
    """Return the mean of each output channel that a transposed convolution [in, out/groups, 4, 4] of stride 2 makes of ones."""
    groups = result.request.get("groups", 1)
    kernel = result.values.reshape(groups, -1, *result.values.shape[1:])
    return kernel.sum(axis=(1, 3, 4)).ravel() / 2**2


def along(axis: int, parts: list[int]) -> Any:
    """Return what computes the standard deviation of each part along an axis, as a multiple of the stated one of Xavier for its fans."""

    def ratios(result: Result) -> list[float]:
        inputs = result.values.size / result.values.shape[axis]
        each = np.split(result.values, np.cumsum(parts)[:-1], axis=axis)
        return [float(part.std() / np.sqrt(2 / (inputs + out))) for part, out in zip(each, parts, strict=True)]

    return ratios


def per_stack(result: Result) -> Values:
    """Return the distance of W·Wᵀ from the identity for each stacked weight [8, 6, 10]."""
    return np.abs(result.values @ result.values.transpose(0, 2, 1) - np.eye(6)).max(axis=(1, 2))


LSTM = {"shape": [16, 4], "layer": "recurrent", "packed": 4}

REPORTS = [
    Report(
        "an upsampling layer with groups passes every channel on",
        {"shape": [4, 2, 4, 4], "scheme": "bilinear", "layer": "conv_transpose", "groups": 2},
        upsampled_ones, [1, 1, 1, 1], UPSAMPLED_ONES,
    ),
    Report(
        "an upsampling layer with a group a channel passes every channel on",
        {"shape": [3, 1, 4, 4], "scheme": "bilinear", "layer": "conv_transpose", "groups": 3},
        upsampled_ones, [1, 1, 1], UPSAMPLED_ONES,
    ),
    Report(
        "an upsampling layer without groups passes every channel on",
        {"shape": [3, 3, 4, 4], "scheme": "bilinear", "layer": "conv_transpose"},
        upsampled_ones, [1, 1, 1], UPSAMPLED_ONES,
    ),
    Report(
        "each gate of an LSTM starts orthogonal",
        LSTM | {"scheme": "orthogonal"},
        lambda result: singular_values(result, 4, 4), np.ones((4, 4)), SAXE,
    ),
    Report(
        "gates differ from each other",
        LSTM | {"scheme": "orthogonal"},
        lambda result: len(np.unique(result.values[:, 0])), 16, "independent draws",
    ),
    Report(
        "torch's own name takes the whole matrix, as torch does",
        LSTM | {"scheme": "torch.nn.init.orthogonal_"},
        lambda result: singular_values(result, 16, 4), np.ones((1, 4)), "torch.nn.init.orthogonal_ flattens to [16, 4]",
    ),
    Report(
        "Keras's own name takes the whole matrix, as Keras does",
        {"shape": [4, 16], "scheme": "keras.initializers.Orthogonal", "layer": "recurrent", "packed": 4, "layout": "keras"},
        lambda result: singular_values(result, 4, 16), np.ones((1, 4)), "keras.initializers.Orthogonal flattens to [4, 16]",
    ),
    Report(
        "each gate starts as the identity",
        LSTM | {"scheme": "identity"},
        lambda result: result.values.reshape(4, 4, 4), np.broadcast_to(np.eye(4), (4, 4, 4)), "Le et al. 2015",
    ),
    Report(
        "torch's eye_ takes the whole matrix",
        LSTM | {"scheme": "torch.eye_"},
        lambda result: result.values, np.eye(16, 4), "torch.nn.init.eye_",
    ),
    Report(
        "each group of a convolution is orthogonal",
        {"shape": [12, 2, 3, 3], "scheme": "orthogonal", "layer": "conv", "groups": 2},
        lambda result: singular_values(result, 6, 18), np.ones((2, 6)), SAXE,
    ),
    Report(
        "each channel of a depthwise convolution is orthogonal",
        {"shape": [8, 1, 3, 3], "scheme": "orthogonal", "layer": "depthwise", "groups": 4},
        lambda result: singular_values(result, 2, 9), np.ones((4, 2)), SAXE,
    ),
    Report(
        "each group is delta-orthogonal",
        {"shape": [8, 2, 3], "scheme": "delta_orthogonal", "layer": "conv", "groups": 2},
        lambda result: np.linalg.svd(result.values[:, :, 1].reshape(2, 4, 2), compute_uv=False), np.ones((2, 2)), "Xiao et al. 2018",
    ),
    Report(
        "a transposed convolution may have more outputs than inputs, and starts delta-orthogonal",
        {"shape": [2, 4, 3], "scheme": "delta_orthogonal", "layer": "conv_transpose"},
        lambda result: np.linalg.svd(result.values[:, :, 1], compute_uv=False), np.ones(2), "Xiao et al. 2018",
    ),
    Report(
        "each group of a transposed convolution is orthogonal from its inputs to its outputs",
        {"shape": [8, 3, 2, 2], "scheme": "orthogonal", "layer": "conv_transpose", "groups": 2},
        lambda result: np.linalg.svd(result.values.reshape(2, 4, 3, 4).transpose(0, 2, 1, 3).reshape(2, 3, 16), compute_uv=False),
        np.ones((2, 3)), SAXE,
    ),
    Report(
        "each packed matrix is ZerO's, here the identity",
        {"shape": [12, 4], "scheme": "zero_hadamard", "packed": 3},
        lambda result: result.values.reshape(3, 4, 4), np.broadcast_to(np.eye(4), (3, 4, 4)), "Zhao et al. 2021, algorithm 1",
    ),
    Report(
        "each packed matrix of a sparse one has its zeros",
        {"shape": [20, 6], "scheme": "sparse", "sparsity": 0.3, "packed": 2},
        lambda result: (result.values.reshape(2, 10, 6) == 0).sum(axis=1), np.full((2, 6), 3), "Martens 2010",
    ),
    Report(
        "a sub-pixel convolution takes the fan_in that it is given",
        {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2, "fan_in": 1000},
        stddev, 0.044721359549995794, HE,
    ),
    Report(
        "a sub-pixel convolution takes the slope of its activation",
        {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2, "activation": {"name": "leaky_relu", "negative_slope": 0.2}},
        stddev, np.sqrt(2 / (1.04 * 18)), "He et al. 2015, equation 14",
    ),
    Report(
        "a transposed sub-pixel convolution repeats its outputs",
        {"shape": [3, 8, 3, 3], "scheme": "icnr", "upscale": 2, "layer": "conv_transpose"},
        lambda result: np.ptp(result.values.reshape(3, 2, 4, 3, 3), axis=2).max(),
        0.0, "Aitken et al. 2017",
    ),
    Report(
        "a transposed sub-pixel convolution has different inputs",
        {"shape": [3, 8, 3, 3], "scheme": "icnr", "upscale": 2, "layer": "conv_transpose"},
        lambda result: len(np.unique(result.values)), 3 * 2 * 9, "Aitken et al. 2017",
    ),
    Report(
        "in Keras, where depth_to_space reads channel = copy·out + o, the copies lie one channel block apart",
        {"shape": [3, 3, 2, 8], "scheme": "icnr", "upscale": 2, "layout": "keras"},
        lambda result: np.ptp(result.values.reshape(3, 3, 2, 4, 2), axis=3).max(), 0.0, "tf.nn.depth_to_space",
    ),
    Report(
        "in torch, where pixel_shuffle reads channel = o·copies + copy, the copies follow each other",
        {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2},
        lambda result: np.ptp(result.values.reshape(2, 4, 2, 3, 3), axis=1).max(), 0.0, "torch.nn.PixelShuffle",
    ),
    Report(
        "ONNX's DepthToSpace in its mode DCR is asked for in torch's layout",
        {"shape": [8, 2, 3, 3], "scheme": "icnr", "upscale": 2, "order": "depth_to_space"},
        lambda result: np.ptp(result.values.reshape(4, 2, 2, 3, 3), axis=0).max(), 0.0, "ONNX operators, DepthToSpace",
    ),
    Report(
        "eight experts are eight dense layers",
        {"shape": [8, 32, 64], "axes": "boi", "activation": "relu"},
        stddev, np.sqrt(2 / 64), HE,
    ),
    Report(
        "eight experts without axes get a warning",
        {"shape": [8, 32, 64], "activation": "relu"},
        lambda result: ["axes=boi" in warning for warning in result.metadata["warnings"]], [True], HE,
    ),
    Report(
        "a convolution gets no such warning",
        {"shape": [64, 32, 3], "activation": "relu"},
        lambda result: result.metadata["warnings"], [], HE,
    ),
    Report(
        "a long kernel on one channel, as of a filter bank for sound, gets no such warning",
        {"shape": [80, 1, 251], "activation": "relu"},
        lambda result: result.metadata["warnings"], [], HE,
    ),
    Report(
        "an attention kernel of Keras has its heads and their widths as outputs",
        {"shape": [512, 8, 64], "axes": "ioo", "scheme": "xavier_uniform"},
        fans, [512, 512], "keras.layers.MultiHeadAttention: einsum abc,cde->abde",
    ),
    Report(
        "its output kernel has them as inputs",
        {"shape": [8, 64, 512], "axes": "iio", "scheme": "xavier_uniform"},
        fans, [512, 512], "keras.layers.MultiHeadAttention: einsum abcd,cde->abe",
    ),
    Report(
        "Keras's own name counts Keras's fans of that kernel",
        {"shape": [512, 8, 64], "axes": "ioo", "scheme": "keras.initializers.GlorotUniform"},
        fans, [512, 512], "keras.initializers.compute_fans(shape, input_axes=[0], output_axes=[1, 2])",
    ),
    Report(
        "without axes it takes the first one for a kernel, as Keras does",
        {"shape": [512, 8, 64], "layout": "keras", "scheme": "keras.initializers.GlorotUniform"},
        fans, [8 * 512, 64 * 512], "keras.initializers.compute_fans((512, 8, 64))",
    ),
    Report(
        "a depthwise kernel in Keras's layout tells its channels",
        {"shape": [3, 3, 6, 2], "layout": "keras", "layer": "depthwise", "scheme": "keras.initializers.HeNormal"},
        fans, [54, 18], "keras.initializers.compute_fans((3, 3, 6, 2))",
    ),
    Report(
        "JAX leaves the batch_axis out of the fans",
        {"shape": [8, 64, 32], "axes": "bio", "scheme": "jax.nn.initializers.lecun_normal"},
        fans, [64, 32], "jax.nn.initializers.variance_scaling(batch_axis=0)",
    ),
    Report(
        "each stacked weight is orthogonal",
        {"shape": [8, 6, 10], "axes": "boi", "scheme": "orthogonal"},
        per_stack, np.zeros(8), SAXE,
    ),
    Report(
        "stacked weights differ from each other",
        {"shape": [8, 6, 10], "axes": "boi", "scheme": "orthogonal"},
        lambda result: len(np.unique(result.values[:, 0, 0])), 8, "independent draws",
    ),
    Report(
        "stacked biases of experts are biases",
        {"shape": [8, 32], "axes": "bo", "fan_in": 64, "scheme": "torch_default"},
        stddev, 1 / np.sqrt(3 * 64), "torch.nn.Linear",
    ),
    Report(
        "a depthwise kernel is channels of stacked weights, or groups of one: the fans are the same",
        {"shape": [3, 3, 6, 2], "axes": "kkbo", "scheme": "xavier_uniform"},
        fans, [9, 18], "an output sums over 9 taps, and each input feeds 2·9",
    ),
    Report(
        "queries, keys and values of grouped heads have fans of their own",
        {"shape": [600, 400], "packed": [400, 100, 100], "scheme": "xavier_normal"},
        along(0, [400, 100, 100]), [1, 1, 1], "Glorot and Bengio 2010, equation 12", 0.02,
    ),
    Report(
        "so they have in Keras's layout",
        {"shape": [400, 600], "packed": [400, 100, 100], "scheme": "xavier_normal", "layout": "keras"},
        along(1, [400, 100, 100]), [1, 1, 1], "Glorot and Bengio 2010, equation 12", 0.02,
    ),
    Report(
        "each of them gets its own warnings",
        {"shape": [600, 400], "packed": [400, 100, 100], "scheme": "xavier_normal", "activation": "relu"},
        lambda result: [warning[:16] for warning in result.metadata["warnings"]],
        ["packed matrix 1:", "packed matrix 2:", "packed matrix 3:"], "He et al. 2015",
    ),
    Report(
        "each of them is orthogonal by itself",
        {"shape": [20, 10], "packed": [10, 6, 4], "scheme": "orthogonal"},
        lambda result: [np.abs(part @ part.T - np.eye(len(part))).max() for part in np.split(result.values, [10, 16])],
        [0, 0, 0], SAXE,
    ),
    Report(
        "and the identity by itself",
        {"shape": [7, 3], "packed": [3, 2, 2], "scheme": "identity"},
        lambda result: result.values, np.vstack([np.eye(3), np.eye(2, 3), np.eye(2, 3)]), "the definition",
    ),
    Report(
        "equal parts in a list are as good as their number",
        {"shape": [12, 4], "packed": [4, 4, 4], "scheme": "orthogonal"},
        same_as({"shape": [12, 4], "packed": 3, "scheme": "orthogonal"}), True, "the definition",
    ),
    Report(
        "Flax stores the inputs of a transposed convolution first and counts them as fan_in",
        {"shape": [3, 3, 8, 16], "layout": "flax", "layer": "conv_transpose", "scheme": "jax.lecun_normal"},
        fans, [72, 144], "flax.linen.ConvTranspose: kernel_shape = kernel_size + (in_features, features)",
    ),
]  # fmt: skip


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.need)
def test_the_service_gives_the_right_answer(report: Report) -> None:
    check(report)
