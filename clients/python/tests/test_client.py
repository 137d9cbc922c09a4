"""The client against a real service, and against servers that misbehave."""

from __future__ import annotations

import io
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file
from weight_init import Client, ConnectionFailed, FieldError, InvalidAnswer, ProblemError, WeightInitError
from weight_init.request import init_request

LARGEST_SEED = 2**64 - 1


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[Client]:
    with Client(server_url) as client:
        yield client


def as_npy(server_url: str, query: str) -> npt.NDArray[Any]:
    """The tensor by another way: GET and NumPy's own format."""
    answer = httpx.get(f"{server_url}/init?{query}&format=npy").raise_for_status()
    loaded: npt.NDArray[Any] = np.load(io.BytesIO(answer.content))
    return loaded


# Weights


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    ("query", "shape", "fields"),
    [
        ("shape=64,48&activation=relu", (64, 48), {"activation": "relu"}),
        ("shape=3,3,8,16&layout=keras&activation=tanh", (3, 3, 8, 16), {"layout": "keras", "activation": "tanh"}),
        ("shape=64,48&scheme=normal&stddev=0.5&slice=8:24:2,-1", (64, 48), {"scheme": "normal", "stddev": 0.5, "slice": "8:24:2,-1"}),
        ("shape=7&scheme=torch_default&fan_in=9&name=bias", (7,), {"scheme": "torch_default", "fan_in": 9, "name": "bias"}),
        ("shape=1000,700&activation=gelu", (1000, 700), {"activation": "gelu"}),
    ],
)
def test_the_values_are_those_of_the_service(
    client: Client, server_url: str, query: str, shape: tuple[int, ...], fields: dict[str, Any], dtype: str
) -> None:
    weights = client.init(shape, **fields, dtype=dtype, seed=7)
    expected = as_npy(server_url, f"{query}&seed=7&dtype={dtype}")
    assert weights.dtype == expected.dtype == dtype
    np.testing.assert_array_equal(weights, expected, strict=True)


def test_bfloat16_is_that_of_ml_dtypes(client: Client) -> None:
    weights = client.init((64, 48), activation="relu", seed=7, dtype="bfloat16")
    exact = client.init((64, 48), activation="relu", seed=7)
    assert weights.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(weights, exact.astype(ml_dtypes.bfloat16), strict=True)


def test_bfloat16_is_widened_exactly_where_ml_dtypes_is_missing(client: Client, server_url: str, tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["ml_dtypes"] = None  # as if it were not installed
import numpy
from weight_init import Client
with Client({server_url!r}) as client:
    numpy.save({str(tmp_path / "w.npy")!r}, client.init((64, 48), activation="relu", seed=7, dtype="bfloat16"))
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    widened = np.load(tmp_path / "w.npy")
    expected = client.init((64, 48), activation="relu", seed=7, dtype="bfloat16").astype(np.float32)
    np.testing.assert_array_equal(widened, expected, strict=True)


def test_keras_layout_is_the_transpose(client: Client) -> None:
    torch = client.init((64, 48), activation="relu", seed=7)
    keras = client.init((48, 64), layout="keras", activation="relu", seed=7)
    np.testing.assert_array_equal(keras, torch.T)


def test_dtypes_and_numbers_of_numpy_are_understood(client: Client) -> None:
    weights = client.init(
        (np.int64(4), np.int32(3)), scheme="normal", stddev=np.float32(0.5), dtype=np.float16, seed=np.uint64(LARGEST_SEED)
    )
    expected = client.init((4, 3), scheme="normal", stddev=0.5, dtype="float16", seed=LARGEST_SEED)
    np.testing.assert_array_equal(weights, expected, strict=True)


def test_a_scheme_may_be_an_object(client: Client) -> None:
    beside = client.init((4, 3), scheme="normal", stddev=0.5, seed=7)
    inside = client.init((4, 3), scheme={"name": "normal", "stddev": 0.5}, seed=7)
    np.testing.assert_array_equal(beside, inside)


def test_a_scalar_is_a_tensor_too(client: Client) -> None:
    weights = client.init((), scheme="constant", value=0.25)
    assert weights.shape == ()
    assert weights == 0.25


@pytest.mark.parametrize("seed", [0, 2**53, 2**53 + 1, LARGEST_SEED])
def test_every_digit_of_a_seed_counts(client: Client, server_url: str, seed: int) -> None:
    weights = client.init((4, 3), activation="relu", seed=seed)
    assert weights.seed == seed
    np.testing.assert_array_equal(weights, as_npy(server_url, f"shape=4,3&activation=relu&seed={seed}"))


@pytest.mark.parametrize(("seed", "sent"), [(2**53, 2**53), (2**53 + 1, "9007199254740993"), (np.uint64(LARGEST_SEED), str(LARGEST_SEED))])
def test_a_seed_that_json_readers_may_round_is_sent_as_text(seed: int, sent: int | str) -> None:
    assert json.loads(init_request((4, 3), format="raw", seed=seed).body or b"")["seed"] == sent


def test_what_is_left_out_is_not_sent() -> None:
    assert json.loads(init_request((4, 3), format="raw", name=None).body or b"") == {"shape": [4, 3], "format": "raw"}


def test_without_a_seed_the_one_chosen_is_told(client: Client) -> None:
    first, second = (client.init((4, 3), activation="relu") for _ in range(2))
    assert first.seed != second.seed
    np.testing.assert_array_equal(client.init((4, 3), activation="relu", seed=first.seed), first)


def test_the_array_is_writable_and_contiguous(client: Client) -> None:
    weights = client.init((4, 3), activation="relu", seed=7)
    assert weights.flags.c_contiguous
    weights[0] = 5.0
    assert (weights[0] == 5.0).all()


def test_several_threads_may_share_a_client(client: Client) -> None:
    expected = [client.init((300, 200), activation="relu", seed=seed) for seed in range(8)]
    found: dict[int, npt.NDArray[Any]] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: client.init((300, 200), activation="relu", seed=seed)}))
        for seed in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(8):
        np.testing.assert_array_equal(found[seed], expected[seed])


# Metadata


def test_metadata_says_how_it_was_made(client: Client) -> None:
    weights = client.init((256, 784), activation="relu", seed=7, name="layers.0.weight")
    said = {field: weights.metadata[field] for field in ("scheme", "fan_in", "fan_out", "seed", "name", "dtype", "shape")}
    assert said == {
        "scheme": "he_normal",
        "fan_in": 784,
        "fan_out": 256,
        "seed": 7,
        "name": "layers.0.weight",
        "dtype": "float32",
        "shape": [256, 784],
    }
    assert "\u03c3" in weights.metadata["formula"]


def test_the_recommendation_and_the_warnings_come_along(client: Client) -> None:
    good = client.init((256, 784), activation="tanh", seed=7)
    poor = client.init((256, 784), scheme="zeros", activation="tanh")
    assert good.recommended["scheme"] == poor.recommended["scheme"] == "xavier_uniform"
    assert good.warnings == []
    assert poor.warnings[0].startswith("zeros: every unit of this layer computes the same")


@pytest.mark.parametrize(
    "derive",
    [
        lambda weights: weights * 2,
        lambda weights: weights[0],
        lambda weights: weights.T,
        lambda weights: weights.copy(),
        lambda weights: weights.astype(np.float64),
        lambda weights: pickle.loads(pickle.dumps(weights)),
    ],
    ids=["product", "row", "transpose", "copy", "cast", "pickle"],
)
def test_a_derived_array_has_no_metadata(client: Client, derive: Any) -> None:
    derived = derive(client.init((4, 3), activation="relu", seed=7))
    assert isinstance(derived, np.ndarray)
    for name in ("metadata", "seed", "recommended", "warnings"):
        assert not hasattr(derived, name)


def test_results_of_arithmetic_are_plain(client: Client) -> None:
    weights = client.init((4, 3), activation="relu", seed=7)
    assert type(weights + 1) is type(weights @ weights.T) is np.ndarray
    assert type(weights.sum()) is np.float32
    scaled = weights
    scaled *= 2
    assert type(scaled) is np.ndarray


# Advice


def test_recommend(client: Client) -> None:
    advice = client.recommend("leaky_relu", negative_slope=0.2, fan_in=np.int64(100), distribution="uniform")
    assert advice["scheme"] == "he_uniform"
    assert advice["activation"] == {"name": "leaky_relu", "negative_slope": 0.2}
    assert advice["stddev"] == pytest.approx((2 / (1.04 * 100)) ** 0.5, rel=1e-9)


def test_the_catalogues(client: Client) -> None:
    assert {"zeros", "xavier_uniform", "he_normal"} <= {row["name"] for row in client.schemes()}
    assert {row["name"]: row["recommended"] for row in client.activations()}["relu"] == "he_normal"


# Files


def test_download_npy(client: Client, tmp_path: Path) -> None:
    metadata = client.download(tmp_path / "w.npy", (300, 200), activation="relu", seed=LARGEST_SEED)
    assert metadata["scheme"] == "he_normal"
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), client.init((300, 200), activation="relu", seed=LARGEST_SEED), strict=True)
    assert [file.name for file in tmp_path.iterdir()] == ["w.npy"]


def test_download_safetensors(client: Client, tmp_path: Path) -> None:
    client.download(str(tmp_path / "w.safetensors"), (300, 200), activation="relu", seed=7, name="layers.0.weight")
    loaded = load_file(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(loaded["layers.0.weight"], client.init((300, 200), activation="relu", seed=7, name="layers.0.weight"))


def test_download_in_a_format_that_the_name_does_not_say(client: Client, tmp_path: Path) -> None:
    client.download(tmp_path / "w.bin", (4, 3), format="raw", activation="relu", seed=7)
    assert (tmp_path / "w.bin").read_bytes() == client.init((4, 3), activation="relu", seed=7).tobytes()


def test_a_download_that_fails_leaves_what_was_there(client: Client, tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_text("before")
    with pytest.raises(ProblemError, match="scheme"):
        client.download(tmp_path / "w.npy", (4, 3), scheme="he_norml")
    with truncating(b"x" * 20) as url, Client(url) as broken, pytest.raises(ConnectionFailed):
        broken.download(tmp_path / "w.npy", (4, 3), activation="relu")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


def test_a_download_needs_a_file_name(client: Client, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="expected the name of a file"):
        client.download(tmp_path, (4, 3), activation="relu")


# What is refused


def test_a_problem_names_the_field(client: Client) -> None:
    with pytest.raises(ProblemError) as caught:
        client.init((256, 784), scheme="he_norml")
    problem = caught.value
    assert (problem.status, problem.title) == (422, "Unprocessable Entity")
    assert str(problem) == problem.detail
    assert "Did you mean 'he_normal'" in str(problem)
    assert [(error.field, error.expected, error.received) for error in problem.errors] == [("scheme", "the name of a scheme", "'he_norml'")]
    assert "he_normal" in problem.errors[0].action


@pytest.mark.parametrize(
    ("shape", "fields", "field"),
    [
        ((256, 392.0), {"activation": "relu"}, "shape"),
        ((256, 784), {"activation": "relu", "seed": 2**64}, "seed"),
        ((256, 784), {"activation": "relu", "seed": 1.5}, "seed"),
        ((256, 784), {"scheme": "normal", "stddev": float("nan")}, "stddev"),
        ((256, 784), {"activation": "relu", "dtype": "int8"}, "dtype"),
        ((256, 784), {"activation": "relu", "colour": "red"}, "colour"),
    ],
)
def test_the_service_checks_the_values(client: Client, shape: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ProblemError) as caught:
        client.init(shape, **fields)
    assert caught.value.status == 422
    assert [error.field for error in caught.value.errors] == [field]


def test_what_json_cannot_say_is_not_sent(client: Client) -> None:
    with pytest.raises(TypeError, match=r"expected numbers, text, lists and dicts; received \{1\}"):
        client.init((4, 3), scheme="normal", stddev={1})


def test_a_url_that_leads_nowhere_in_the_service(server_url: str) -> None:
    with Client(f"{server_url}/nowhere/") as client, pytest.raises(ProblemError, match="/nowhere/schemes") as caught:
        client.schemes()
    assert caught.value.status == 404


def test_a_problem_survives_pickling() -> None:
    problem = ProblemError(
        422, "Unprocessable Entity", "seed: expected an integer.", [FieldError("seed", "an integer", "1.5", "Round it.")]
    )
    copy = pickle.loads(pickle.dumps(problem))
    assert (copy.status, copy.title, str(copy), copy.errors) == (422, problem.title, problem.detail, problem.errors)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", ""])
def test_a_url_must_be_one_of_http(url: str) -> None:
    with pytest.raises(ValueError, match="Begin it with http://"):
        Client(url)


# Servers that misbehave


@contextmanager
def answering(*parts: bytes) -> Iterator[str]:
    """A server that sends these bytes to whoever asks, and no more; without any, it keeps the client waiting."""

    def answer() -> None:
        with listener.accept()[0] as connection, suppress(OSError):  # of a client that leaves first
            connection.recv(1)
            for part in parts:
                connection.sendall(part)
            if parts:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # until the client leaves; to close before it has sent all would be a reset
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


WEIGHT_INIT = b'Weight-Init: {"shape": [4, 3], "dtype": "float32"}\r\n'


def truncating(body: bytes) -> Any:
    """A server that announces the 48 bytes of a [4, 3] tensor and sends `body`."""
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n" + WEIGHT_INIT + b"\r\n", body)


def error_of(server: Any, **options: Any) -> WeightInitError:
    with server as url, Client(url, **options) as client, pytest.raises(WeightInitError) as caught:
        client.init((4, 3), activation="relu")
    return caught.value


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(ConnectionFailed) as caught:
        client.init((4, 3), activation="relu")
    assert f"http://127.0.0.1:{port}" in str(caught.value)
    assert "weight-init serve" in str(caught.value)


def test_a_server_that_says_nothing() -> None:
    start = time.monotonic()
    error = error_of(answering(), timeout_s=0.1)
    assert time.monotonic() - start < 2.0
    assert isinstance(error, ConnectionFailed)
    assert "for 0.1 s" in str(error)
    assert "larger timeout_s" in str(error)


def test_an_answer_that_breaks_off() -> None:
    error = error_of(truncating(b"x" * 20))
    assert isinstance(error, ConnectionFailed)
    assert "broke before the whole answer came" in str(error)


def test_an_answer_of_unknown_length_that_breaks_off() -> None:
    error = error_of(answering(b"HTTP/1.1 200 OK\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 20))
    assert isinstance(error, ConnectionFailed)
    assert "Expected 48 bytes, as announced; received 20" in str(error)


def test_an_answer_that_is_too_long() -> None:
    error = error_of(answering(b"HTTP/1.1 200 OK\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 49))
    assert isinstance(error, InvalidAnswer)
    assert "received more" in str(error)


def test_an_answer_of_another_length_than_its_shape() -> None:
    error = error_of(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 20))
    assert isinstance(error, InvalidAnswer)
    assert "Expected 48 bytes" in str(error)


def test_a_dtype_of_the_future() -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nWeight-Init: {"shape": [4, 3], "dtype": "float8_e4m3"}\r\n\r\n'
    error = error_of(answering(head, b"x" * 12))
    assert isinstance(error, InvalidAnswer)
    assert "Update weight-init-client" in str(error)


@pytest.mark.parametrize("header", [b"", b"Weight-Init: none\r\n"], ids=["none", "not JSON"])
def test_an_answer_of_another_service(header: bytes) -> None:
    error = error_of(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + header + b"\r\nhello"))
    assert isinstance(error, InvalidAnswer)
    assert "Is the URL that of a weight-init service?" in str(error)


@pytest.mark.parametrize("body", [b"<html>", b'{"rows": []}'], ids=["HTML", "JSON"])
def test_a_catalogue_of_another_service(body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with answering(head, body) as url, Client(url) as client, pytest.raises(InvalidAnswer, match="weight-init service"):
        client.schemes()


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/html", "<html><h1>Bad Gateway</h1></html>"),
        ("application/problem+json", "<html><h1>Bad Gateway</h1></html>"),
        ("application/json", '{"message": "no such host"}'),
    ],
)
def test_the_page_of_a_proxy(media_type: str, body: str) -> None:
    head = f"HTTP/1.1 502 Whatever\r\nContent-Type: {media_type}; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    error = error_of(answering(head.encode(), body.encode()))
    assert isinstance(error, ProblemError)
    assert (error.status, error.title, error.errors) == (502, "Bad Gateway", [])
    assert f"received 502 Bad Gateway with {body!r} ({media_type})" in str(error)
    assert "Check the URL, and the proxy" in str(error)


def test_the_problem_of_a_gateway() -> None:
    body = b'{"title": "Slow down", "detail": "Come back in a minute.", "errors": ["too many requests"]}'
    head = f"HTTP/1.1 429 Whatever\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    error = error_of(answering(head.encode(), body))
    assert isinstance(error, ProblemError)
    assert (error.status, error.title, str(error), error.errors) == (429, "Slow down", "Come back in a minute.", [])
