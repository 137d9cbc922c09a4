"""What somebody writes who generated a client with openapi-python-client. Prints, as JSON, what the test compares."""

# mypy: disable-error-code="import-not-found"
# since the client is only there once a test has generated it, and checks this file again

import hashlib
import json
import sys

from weight_init_client import Client
from weight_init_client.api.advice import get_activations, get_recommend, get_schemes
from weight_init_client.api.weights import get_init, post_init
from weight_init_client.models import (
    ActivationCatalogue,
    Dtype,
    Format,
    HeNormalScheme,
    InitRequest,
    Metadata,
    Mode,
    Problem,
    Recommendation,
    SchemeCatalogue,
    Tensor,
)
from weight_init_client.types import File

client = Client(base_url=sys.argv[1])


def content(request: InitRequest) -> bytes:
    """The file that is answered, whatever its format."""
    answer = post_init.sync(client=client, body=request)
    assert isinstance(answer, File), answer
    return answer.payload.read()


def sha256(data: bytes) -> str:
    """As the test has it."""
    return hashlib.sha256(data).hexdigest()


convolution = InitRequest(
    shape=[16, 3, 3, 3], scheme=HeNormalScheme(mode=Mode.FAN_OUT), seed=2**64 - 1, dtype=Dtype.FLOAT16, format_=Format.RAW
)
from_query = get_init.sync_detailed(
    client=client, shape="16,3,3,3", scheme="he_normal", mode=Mode.FAN_OUT, seed=2**64 - 1, dtype=Dtype.FLOAT16, format_=Format.RAW
)
metadata = Metadata.from_dict(json.loads(from_query.headers["Weight-Init"]))
part = post_init.sync(client=client, body=convolution, range_="bytes=2-3")
assert isinstance(part, File)
tensor = Tensor.from_dict(json.loads(content(InitRequest(shape=[2, 3], activation="tanh", seed=7, format_=Format.JSON))))
advice = get_recommend.sync(client=client, activation="relu", fan_in=784)
assert isinstance(advice, Recommendation)
schemes, activations = get_schemes.sync(client=client), get_activations.sync(client=client)
assert isinstance(schemes, SchemeCatalogue)
assert isinstance(activations, ActivationCatalogue)
problem = post_init.sync(client=client, body=InitRequest(shape=[2, 3], scheme="he_norml"))
assert isinstance(problem, Problem)
assert problem.errors

with open(sys.argv[2], encoding="utf-8") as file:
    golden = [InitRequest.from_dict(request) for request in json.load(file)]

print(
    json.dumps(
        {
            "golden": [sha256(content(request)) for request in golden],
            "convolution": [sha256(content(convolution)), sha256(from_query.content)],
            "part": list(part.payload.read()),
            "seed": str(metadata.seed),
            "tensor": [tensor.shape, tensor.data, tensor.metadata.scheme],
            "advice": [advice.scheme, advice.stddev, advice.alternatives[0].scheme],
            "schemes": [row.name for row in schemes.schemes],
            "activations": [row.name for row in activations.activations],
            "problem": [problem.status, problem.errors[0].field],
        }
    )
)
