"""Tests the clients against a real service, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file
from weight_init import AsyncClient, Client, ConnectionFailed, FieldError, InvalidAnswer, ProblemError, TimedOut, WeightInitError, Weights
from weight_init.request import init_request

LARGEST_SEED = 2**64 - 1

Connect = Callable[..., AbstractContextManager[Client]]


@pytest.fixture(scope="module")
def client(connect: Connect, server_url: str) -> Iterator[Client]:
    with connect(server_url) as client:
        yield client


def as_npy(server_url: str, query: str) -> npt.NDArray[Any]:
    """Fetch the same tensor without the client: by GET, in NumPy's format."""
    response = httpx.get(f"{server_url}/init?{query}&format=npy").raise_for_status()
    loaded: npt.NDArray[Any] = np.load(io.BytesIO(response.content))
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
def test_values_match_those_of_the_service(
    client: Client, server_url: str, query: str, shape: tuple[int, ...], fields: dict[str, Any], dtype: str
) -> None:
    weights = client.init(shape, **fields, dtype=dtype, seed=7)
    expected = as_npy(server_url, f"{query}&seed=7&dtype={dtype}")
    assert weights.dtype == expected.dtype == dtype
    np.testing.assert_array_equal(weights, expected, strict=True)


def test_bfloat16_has_the_dtype_of_ml_dtypes(client: Client) -> None:
    weights = client.init((64, 48), activation="relu", seed=7, dtype="bfloat16")
    exact = client.init((64, 48), activation="relu", seed=7)
    assert weights.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(weights, exact.astype(ml_dtypes.bfloat16), strict=True)


def test_bfloat16_is_widened_exactly_without_ml_dtypes(client: Client, server_url: str, tmp_path: Path) -> None:
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


def test_accepts_numpy_dtypes_and_scalars(client: Client) -> None:
    weights = client.init(
        (np.int64(4), np.int32(3)), scheme="normal", stddev=np.float32(0.5), dtype=np.float16, seed=np.uint64(LARGEST_SEED)
    )
    expected = client.init((4, 3), scheme="normal", stddev=0.5, dtype="float16", seed=LARGEST_SEED)
    np.testing.assert_array_equal(weights, expected, strict=True)


def test_scheme_can_be_an_object(client: Client) -> None:
    from_keywords = client.init((4, 3), scheme="normal", stddev=0.5, seed=7)
    from_object = client.init((4, 3), scheme={"name": "normal", "stddev": 0.5}, seed=7)
    np.testing.assert_array_equal(from_keywords, from_object)


def test_a_tensor_can_be_a_scalar(client: Client) -> None:
    weights = client.init((), scheme="constant", value=0.25)
    assert weights.shape == ()
    assert weights == 0.25


@pytest.mark.parametrize("seed", [0, 2**53, 2**53 + 1, LARGEST_SEED])
def test_seed_keeps_every_digit(client: Client, server_url: str, seed: int) -> None:
    weights = client.init((4, 3), activation="relu", seed=seed)
    assert weights.seed == seed
    np.testing.assert_array_equal(weights, as_npy(server_url, f"shape=4,3&activation=relu&seed={seed}"))


@pytest.mark.parametrize(("seed", "sent"), [(2**53, 2**53), (2**53 + 1, "9007199254740993"), (np.uint64(LARGEST_SEED), str(LARGEST_SEED))])
def test_sends_a_seed_that_json_parsers_may_round_as_text(seed: int, sent: int | str) -> None:
    assert json.loads(init_request(shape=(4, 3), seed=seed).content or b"")["seed"] == sent


def test_omits_fields_that_are_none() -> None:
    assert json.loads(init_request(shape=(4, 3), name=None).content or b"") == {"shape": [4, 3]}


def test_reports_the_seed_that_the_service_chose(client: Client) -> None:
    first, second = (client.init((4, 3), activation="relu") for _ in range(2))
    assert first.seed != second.seed
    np.testing.assert_array_equal(client.init((4, 3), activation="relu", seed=first.seed), first)


def test_array_is_writable_and_contiguous(client: Client) -> None:
    weights = client.init((4, 3), activation="relu", seed=7)
    assert weights.flags.c_contiguous
    weights[0] = 5.0
    assert (weights[0] == 5.0).all()


SEEDS = range(8)


@pytest.fixture(scope="module")
def expected(server_url: str) -> list[npt.NDArray[Any]]:
    return [as_npy(server_url, f"shape=300,200&activation=relu&seed={seed}") for seed in SEEDS]


def test_threads_can_share_a_client(server_url: str, expected: list[npt.NDArray[Any]]) -> None:
    with Client(server_url) as client, ThreadPoolExecutor(len(SEEDS)) as threads:
        fetched = list(threads.map(lambda seed: client.init((300, 200), activation="relu", seed=seed), SEEDS))
    np.testing.assert_array_equal(fetched, expected)


def test_tasks_can_share_a_client(server_url: str, expected: list[npt.NDArray[Any]]) -> None:
    async def fetch_all() -> list[Weights]:
        async with AsyncClient(server_url) as client:
            return await asyncio.gather(*(client.init((300, 200), activation="relu", seed=seed) for seed in SEEDS))

    np.testing.assert_array_equal(asyncio.run(fetch_all()), expected)


@pytest.mark.parametrize(
    ("query", "shape", "fields"),
    [
        ("shape=12,4,3,3&layer=conv&groups=2&activation=relu", (12, 4, 3, 3), {"layer": "conv", "groups": 2, "activation": "relu"}),
        ("shape=96,32&packed=3&activation=tanh", (96, 32), {"packed": 3, "activation": "tanh"}),
        ("shape=64,48&fan_convention=keras&activation=relu", (64, 48), {"fan_convention": "keras", "activation": "relu"}),
        ("shape=64,48&scheme=gpt2_residual&num_layers=12", (64, 48), {"scheme": "gpt2_residual", "num_layers": 12}),
    ],
)
def test_sends_every_field_to_the_service(
    client: Client, server_url: str, tmp_path: Path, query: str, shape: tuple[int, ...], fields: dict[str, Any]
) -> None:
    expected = as_npy(server_url, f"{query}&seed=7")
    client.download(tmp_path / "w.npy", shape, **fields, seed=7)
    np.testing.assert_array_equal(client.init(shape, **fields, seed=7), expected, strict=True)
    np.testing.assert_array_equal(np.load(tmp_path / "w.npy"), expected, strict=True)


def test_methods_have_an_argument_for_every_field_of_the_service(client: Client, server_url: str) -> None:
    paths = httpx.get(f"{server_url}/openapi.json").json()["paths"]
    activation_parameters = {parameter["name"] for row in client.activations() for parameter in row["parameters"]}
    scheme_parameters = {parameter["name"] for row in client.schemes() for parameter in row["parameters"]}
    for method, parameters in (
        (Client.init, activation_parameters | scheme_parameters | {"format"}),
        (Client.recommend, activation_parameters),
    ):
        fields = {row["name"] for row in paths[f"/{method.__name__}"]["get"]["parameters"] if row["in"] == "query"}
        assert set(inspect.signature(method).parameters) - {"self", "parameters"} == fields - parameters


# Metadata


def test_metadata_says_how_the_tensor_was_made(client: Client) -> None:
    weights = client.init((256, 784), activation="relu", seed=7, name="layers.0.weight")
    metadata = {field: weights.metadata[field] for field in ("scheme", "fan_in", "fan_out", "seed", "name", "dtype", "shape")}
    assert metadata == {
        "scheme": "he_normal",
        "fan_in": 784,
        "fan_out": 256,
        "seed": 7,
        "name": "layers.0.weight",
        "dtype": "float32",
        "shape": [256, 784],
    }
    assert "\u03c3" in weights.metadata["formula"]


def test_weights_have_a_recommendation_and_warnings(client: Client) -> None:
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
def test_derived_array_has_no_metadata(client: Client, derive: Any) -> None:
    derived = derive(client.init((4, 3), activation="relu", seed=7))
    assert isinstance(derived, np.ndarray)
    for name in ("metadata", "seed", "recommended", "warnings"):
        assert not hasattr(derived, name)


def test_results_of_arithmetic_are_plain_arrays(client: Client) -> None:
    weights = client.init((4, 3), activation="relu", seed=7)
    assert type(weights + 1) is type(weights @ weights.T) is np.ndarray
    assert type(weights.sum()) is np.float32
    scaled = weights
    scaled *= 2
    assert type(scaled) is np.ndarray


# Advice


def test_recommend_for_an_activation(client: Client) -> None:
    advice = client.recommend("leaky_relu", negative_slope=0.2, fan_in=np.int64(100), distribution="uniform")
    assert advice["scheme"] == "he_uniform"
    assert advice["activation"] == {"name": "leaky_relu", "negative_slope": 0.2}
    assert advice["stddev"] == pytest.approx((2 / (1.04 * 100)) ** 0.5, rel=1e-9)


def test_recommend_for_a_layer(client: Client) -> None:
    assert client.recommend(layer="residual_output", num_layers=12)["scheme"] == "gpt2_residual"
    rare = client.recommend(layer="sigmoid_head", class_prior=0.01)
    assert rare["bias_value"] == pytest.approx(np.log(0.01 / 0.99))


def test_activation_can_be_an_object(client: Client) -> None:
    advice = client.recommend({"expression": "x*tanh(softplus(x))"}, fan_in=100)
    assert advice["activation"] == {"expression": "x*tanh(softplus(x))"}
    from_object = client.recommend({"name": "leaky_relu", "negative_slope": np.float64(0.2)}, fan_in=100)
    assert from_object == client.recommend("leaky_relu", negative_slope=0.2, fan_in=100)


def test_lists_schemes_and_activations(client: Client) -> None:
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


def test_download_with_an_explicit_format(client: Client, tmp_path: Path) -> None:
    client.download(tmp_path / "w.bin", (4, 3), format="raw", activation="relu", seed=7)
    assert (tmp_path / "w.bin").read_bytes() == client.init((4, 3), activation="relu", seed=7).tobytes()


@pytest.mark.parametrize("name", ["w.bin", "w.BIN"])
def test_download_raw_by_extension(client: Client, tmp_path: Path, name: str) -> None:
    client.download(tmp_path / name, (4, 3), activation="relu", seed=7)
    assert (tmp_path / name).read_bytes() == client.init((4, 3), activation="relu", seed=7).tobytes()


def test_failed_download_keeps_the_existing_file(client: Client, connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "w.npy").write_text("before")
    with pytest.raises(ProblemError, match="scheme"):
        client.download(tmp_path / "w.npy", (4, 3), scheme="he_norml")
    with truncating(b"x" * 20) as url, connect(url, retries=0) as broken, pytest.raises(ConnectionFailed):
        broken.download(tmp_path / "w.npy", (4, 3), activation="relu")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


def test_cancelled_download_leaves_no_file(tmp_path: Path) -> None:
    async def give_up(url: str) -> None:
        async with AsyncClient(url) as client:
            async with asyncio.timeout(0.2):
                await client.download(tmp_path / "w.npy", (4, 3), activation="relu")

    with hanging() as url, pytest.raises(TimeoutError):
        asyncio.run(give_up(url))
    assert list(tmp_path.iterdir()) == []


def test_download_rejects_a_directory(client: Client, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="expected a file name"):
        client.download(tmp_path, (4, 3), activation="relu")


# Invalid arguments


def test_problem_names_the_field(client: Client) -> None:
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
        ((256, 392.5), {"activation": "relu"}, "shape"),
        ((256, 784), {"activation": "relu", "seed": 2**64}, "seed"),
        ((256, 784), {"activation": "relu", "seed": 1.5}, "seed"),
        ((256, 784), {"scheme": "normal", "stddev": float("nan")}, "stddev"),
        ((256, 784), {"activation": "relu", "dtype": "int8"}, "dtype"),
        ((256, 784), {"activation": "relu", "colour": "red"}, "colour"),
    ],
)
def test_service_validates_the_values(client: Client, shape: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ProblemError) as caught:
        client.init(shape, **fields)
    assert caught.value.status == 422
    assert [error.field for error in caught.value.errors] == [field]


def test_rejects_values_that_json_cannot_represent(client: Client) -> None:
    with pytest.raises(TypeError, match=r"expected numbers, strings, lists and dicts; received \{1\}"):
        client.init((4, 3), scheme="normal", stddev={1})


def test_url_with_an_unknown_path(connect: Connect, server_url: str) -> None:
    with connect(f"{server_url}/nowhere/") as client, pytest.raises(ProblemError, match="/nowhere/schemes") as caught:
        client.schemes()
    assert caught.value.status == 404


def test_problem_survives_pickling() -> None:
    errors = [FieldError("seed", "an integer", "1.5", "Round it.")]
    problem = ProblemError("seed: expected an integer.", status=422, title="Unprocessable Entity", errors=errors)
    copy = pickle.loads(pickle.dumps(problem))
    assert type(copy) is ProblemError
    assert (copy.status, copy.title, str(copy), copy.detail, copy.errors) == (422, problem.title, problem.detail, problem.detail, errors)


@pytest.mark.parametrize(
    ("error", "status"), [(WeightInitError("x"), 0), (ConnectionFailed("x"), 0), (TimedOut("x"), 0), (InvalidAnswer("x"), 200)]
)
def test_all_errors_have_the_same_attributes(error: WeightInitError, status: int) -> None:
    assert (error.status, error.detail, str(error), error.errors) == (status, "x", "x", [])
    assert error.title


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "localhost", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port", ""])
def test_rejects_a_url_that_is_not_http(url: str) -> None:
    with pytest.raises(ValueError, match="Start it with http://"):
        Client(url)


@pytest.mark.parametrize("key", ["line\n", "ключ"])
def test_rejects_a_key_that_does_not_fit_into_a_header(key: str) -> None:
    with pytest.raises(ValueError, match="line break") as caught:
        Client(api_key=key)
    assert key not in str(caught.value)


# Defaults


def test_environment_sets_the_url(connect: Connect, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHT_INIT_URL", server_url)
    with connect() as client:
        assert client.init((4, 3), scheme="zeros").shape == (4, 3)
    assert Client("http://elsewhere").url == "http://elsewhere"


@pytest.mark.parametrize("environment", [None, ""])
def test_url_defaults_to_localhost(monkeypatch: pytest.MonkeyPatch, environment: str | None) -> None:
    monkeypatch.delenv("WEIGHT_INIT_URL", raising=False)
    if environment is not None:
        monkeypatch.setenv("WEIGHT_INIT_URL", environment)
    assert Client().url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("environment", "given", "sent"), [(None, None, None), ("e", None, "Bearer e"), ("e", "g", "Bearer g"), ("e", "", None)]
)
def test_sends_the_key(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, environment: str | None, given: str | None, sent: str | None
) -> None:
    monkeypatch.delenv("WEIGHT_INIT_API_KEY", raising=False)
    if environment is not None:
        monkeypatch.setenv("WEIGHT_INIT_API_KEY", environment)
    requests: list[str] = []
    with responding(json_response('{"schemes": []}'), requests=requests) as url, connect(url, api_key=given) as client:
        assert client.schemes() == []
    assert re.findall(r"(?i)^authorization: (.*?)\r$", requests[0], re.MULTILINE) == ([] if sent is None else [sent])


# Servers that misbehave


@contextmanager
def responding(*responses: bytes, requests: list[str] | None = None) -> Iterator[str]:
    """Yield the URL of a server that sends one response per connection, in order, and then stops. It appends the requests to `requests`."""

    def serve() -> None:
        with listener:
            for content in responses:
                with listener.accept()[0] as connection, suppress(OSError):  # the client may disconnect first
                    request = connection.recv(65536).decode()
                    if requests is not None:
                        requests.append(request)
                    connection.sendall(content)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):  # closing before the client has sent everything would reset the connection
                        pass

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=serve)
    thread.start()
    yield url
    thread.join()


@contextmanager
def hanging() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


WEIGHT_INIT = b'Weight-Init: {"shape": [4, 3], "dtype": "float32"}\r\n'


def truncating(body: bytes) -> Any:
    """Run a server that announces the 48 bytes of a [4, 3] tensor and sends `body`."""
    return responding(b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n" + WEIGHT_INIT + b"\r\n" + body)


def json_response(body: str, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


ErrorOf = Callable[..., WeightInitError]


@pytest.fixture(scope="module")
def error_of(connect: Connect) -> ErrorOf:
    """Return the error of a request to a server, without retries by default."""

    def error_of(server: AbstractContextManager[str], **options: Any) -> WeightInitError:
        with server as url, connect(url, **({"retries": 0} | options)) as client, pytest.raises(WeightInitError) as caught:
            client.init((4, 3), activation="relu")
        return caught.value

    return error_of


@contextmanager
def unused_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def test_error_if_nothing_listens(error_of: ErrorOf) -> None:
    error = error_of(unused_port())
    assert isinstance(error, ConnectionFailed)
    assert "No service responds at http://127.0.0.1:" in str(error)
    assert "weight-init serve" in str(error)


def test_error_if_the_server_hangs(error_of: ErrorOf) -> None:
    start = time.monotonic()
    error = error_of(hanging(), timeout_s=0.1, retries=4)
    assert time.monotonic() - start < 2.0
    assert isinstance(error, TimedOut)
    assert (error.status, error.title) == (0, "Timeout")
    assert "for 0.1 s" in str(error)
    assert "larger timeout_s" in str(error)


def test_error_if_the_response_breaks_off(error_of: ErrorOf) -> None:
    error = error_of(truncating(b"x" * 20))
    assert isinstance(error, ConnectionFailed)
    assert "broke before the response was complete" in str(error)


def test_error_if_a_response_of_unknown_length_breaks_off(error_of: ErrorOf) -> None:
    error = error_of(responding(b"HTTP/1.1 200 OK\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 20))
    assert isinstance(error, ConnectionFailed)
    assert "Expected 48 bytes, as announced; received 20" in str(error)


def test_error_if_the_response_is_too_long(error_of: ErrorOf) -> None:
    error = error_of(responding(b"HTTP/1.1 200 OK\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 49))
    assert isinstance(error, InvalidAnswer)
    assert "received more" in str(error)


def test_error_if_the_length_does_not_match_the_shape(error_of: ErrorOf) -> None:
    error = error_of(responding(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n" + WEIGHT_INIT + b"\r\n" + b"x" * 20))
    assert isinstance(error, InvalidAnswer)
    assert "Expected 48 bytes" in str(error)


def test_error_for_an_unknown_dtype(error_of: ErrorOf) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\nWeight-Init: {"shape": [4, 3], "dtype": "float8_e4m3"}\r\n\r\n'
    error = error_of(responding(head + b"x" * 12))
    assert isinstance(error, InvalidAnswer)
    assert "Update weight-init-client" in str(error)


@pytest.mark.parametrize("header", [b"", b"Weight-Init: none\r\n"], ids=["none", "not JSON"])
def test_error_if_another_service_responds(error_of: ErrorOf, header: bytes) -> None:
    error = error_of(responding(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + header + b"\r\nhello"))
    assert isinstance(error, InvalidAnswer)
    assert "Check that the URL points to a weight-init service" in str(error)


@pytest.mark.parametrize("body", ["<html>", '{"rows": []}'], ids=["HTML", "JSON"])
def test_error_if_another_service_lists_schemes(connect: Connect, body: str) -> None:
    with responding(json_response(body)) as url, connect(url) as client, pytest.raises(InvalidAnswer, match="weight-init service"):
        client.schemes()


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/html", "<html><h1>Bad Gateway</h1></html>"),
        ("application/problem+json", "<html><h1>Bad Gateway</h1></html>"),
        ("application/json", '{"message": "no such host"}'),
    ],
)
def test_error_shows_the_page_of_a_proxy(error_of: ErrorOf, media_type: str, body: str) -> None:
    error = error_of(responding(json_response(body, "502 Whatever", f"Content-Type: {media_type}; charset=utf-8\r\n")))
    assert isinstance(error, ProblemError)
    assert (error.status, error.title, error.errors) == (502, "Bad Gateway", [])
    assert f"received 502 Bad Gateway with {body!r} ({media_type})" in str(error)
    assert "Check the URL, and the proxy" in str(error)


def test_error_shows_the_problem_of_a_gateway(error_of: ErrorOf) -> None:
    body = '{"title": "Slow down", "detail": "Come back in a minute.", "errors": ["too many requests"]}'
    error = error_of(responding(json_response(body, "429 Whatever", "Retry-After: 61\r\nContent-Type: application/problem+json\r\n")))
    assert isinstance(error, ProblemError)
    assert (error.status, error.title, str(error), error.errors) == (429, "Slow down", "Come back in a minute.", [])
    assert error.retry_after_s == 61


# Retries


BUSY = json_response("busy", "503 Service Unavailable", "Retry-After: 0\r\n")
TENSOR = np.arange(12, dtype=np.float32).reshape(4, 3)
RESUMABLE = WEIGHT_INIT + b'ETag: "a"\r\nAccept-Ranges: bytes\r\n'
BEGINNING = b"HTTP/1.1 200 OK\r\nContent-Length: 48\r\n" + RESUMABLE + b"\r\n" + TENSOR.tobytes()[:20]


def rest(start: int, stop: int = 48) -> bytes:
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-47/48\r\nContent-Length: {48 - start}\r\n".encode()
    return head + RESUMABLE + b"\r\n" + TENSOR.tobytes()[start:stop]


def test_retries_if_the_service_is_busy(connect: Connect) -> None:
    with responding(BUSY, BUSY, json_response('{"schemes": [{"name": "zeros"}]}')) as url, connect(url, retries=2) as client:
        assert client.schemes() == [{"name": "zeros"}]


def test_stops_after_the_retries_if_the_service_stays_busy(error_of: ErrorOf) -> None:
    error = error_of(responding(BUSY, BUSY), retries=1)
    assert (error.status, error.title) == (503, "Service Unavailable")


def test_array_resumes_where_the_connection_broke(connect: Connect) -> None:
    requests: list[str] = []
    with responding(BEGINNING, rest(20, 24), b"", rest(24), requests=requests) as url, connect(url, retries=2) as client:
        np.testing.assert_array_equal(client.init((4, 3)), TENSOR, strict=True)
    ranges = [re.findall(r"(?i)^(range|if-range): (.*?)\r$", request, re.MULTILINE) for request in requests]
    assert ranges == [[], *([("Range", f"bytes={start}-"), ("If-Range", '"a"')] for start in (20, 24, 24))]


def test_file_resumes_where_the_connection_broke(connect: Connect, tmp_path: Path) -> None:
    with responding(BEGINNING, rest(20, 24), rest(24)) as url, connect(url, retries=1) as client:
        client.download(tmp_path / "w.bin", (4, 3))
    np.testing.assert_array_equal(np.fromfile(tmp_path / "w.bin", np.float32), TENSOR.ravel())
    assert [file.name for file in tmp_path.iterdir()] == ["w.bin"]


def test_file_starts_over_if_it_has_changed(connect: Connect, tmp_path: Path) -> None:
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n" + WEIGHT_INIT + b"\r\nOTHER VALUES"
    with responding(BEGINNING, other) as url, connect(url) as client:
        client.download(tmp_path / "w.bin", (4, 3))
    assert (tmp_path / "w.bin").read_bytes() == b"OTHER VALUES"


def test_error_if_a_file_has_no_length(connect: Connect, tmp_path: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + WEIGHT_INIT + b"\r\n" + bytes(20)
    with responding(endless) as url, connect(url) as client, pytest.raises(InvalidAnswer, match="received neither"):
        client.download(tmp_path / "w.npy", (4, 3))
    assert list(tmp_path.iterdir()) == []
