"""The routes besides /init, and the OpenAPI document with its examples."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import jsonschema_rs
import pytest

from service.core.activations import ACTIVATIONS
from service.core.schemes import SCHEMES
from service.settings import Settings
from service.web.app import create_app
from service.web.openapi.operations import INIT_EXAMPLES
from tools.golden.answers import FILE

GOLDEN = [row["request"] for row in json.loads(FILE.read_text("utf-8"))]


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    content: dict[str, Any] = http.get("/openapi.json").raise_for_status().json()
    return content


@pytest.mark.parametrize("path", ["/recommend?activation=relu", "/schemes", "/activations", "/healthz", "/readyz"])
def test_head_has_the_length_of_get_and_no_body(http: httpx.Client, path: str) -> None:
    head, get = http.head(path), http.get(path)
    assert (head.status_code, get.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(get.content))


def test_recommend_returns_a_scheme_with_its_numbers_and_reference(http: httpx.Client) -> None:
    advice = http.get("/recommend?activation=relu&fan_in=784&fan_out=256").json()
    assert advice["scheme"] == "he_normal"
    assert advice["gain"] == {"forward": 1.414213562, "backward": 1.414213562, "variance": 1.71285855, "torch": 2**0.5}
    assert advice["stddev"] == pytest.approx((2 / 784) ** 0.5)
    assert "He, Zhang, Ren, Sun (2015)" in advice["reference"]


def test_recommend_accepts_parameters_of_the_activation(http: httpx.Client) -> None:
    advice = http.get("/recommend?activation=leaky_relu&negative_slope=0.2&fan_in=100").json()
    assert advice["stddev"] == pytest.approx((2 / 104) ** 0.5)


def test_recommend_rejects_an_unknown_activation_and_an_empty_query(http: httpx.Client) -> None:
    assert http.get("/recommend?activation=rulu").status_code == 422
    assert http.get("/recommend").status_code == 422


def test_catalogues_list_every_scheme_and_activation(http: httpx.Client) -> None:
    assert [row["name"] for row in http.get("/schemes").json()["schemes"]] == list(SCHEMES)
    assert [row["name"] for row in http.get("/activations").json()["activations"]] == list(ACTIVATIONS)


def test_probes_are_never_cached(http: httpx.Client) -> None:
    assert http.get("/healthz").json()["status"] == "ok"
    assert http.get("/readyz").json()["status"] == "ready"
    assert http.get("/readyz").headers["Cache-Control"] == "no-store"


def test_root_redirects_to_documentation_that_needs_no_other_host(http: httpx.Client) -> None:
    page = http.get("/", follow_redirects=True)
    assert page.url.path == "/docs"
    assert "//" not in page.text.replace("window.location.protocol + '//'", "").replace("// ", "").split("<script>")[0]
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert http.get(f"/static-offline-docs/{asset}").status_code == 200


@pytest.mark.parametrize("example", INIT_EXAMPLES)
def test_every_example_of_post_runs(http: httpx.Client, document: dict[str, Any], example: str) -> None:
    body = document["paths"]["/init"]["post"]["requestBody"]["content"]["application/json"]
    response = http.post("/init", json=body["examples"][example]["value"])
    assert response.status_code == 200
    assert ('warnings":[]' in response.headers["Weight-Init"]) == (example != "poor")


@pytest.mark.parametrize("path", ["/init", "/recommend"])
def test_every_example_of_get_runs(http: httpx.Client, document: dict[str, Any], path: str) -> None:
    rows = document["paths"][path]["get"]["parameters"]
    assert http.get(path, params={row["name"]: row["example"] for row in rows if "example" in row}).status_code == 200


def test_document_describes_every_field_and_parameter(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body = document["paths"]["/init"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/InitRequest"}
    request = schemas["InitRequest"]
    assert request["required"] == ["shape"]
    assert all(field.get("description") for field in request["properties"].values())
    for field, rows in (("scheme", SCHEMES), ("activation", ACTIVATIONS)):
        named = schemas[f"Named{field.capitalize()}"]
        parameters = {parameter.name for row in rows.values() for parameter in row.parameters}
        assert set(named["properties"]) == {"name"} | parameters <= {"name"} | set(request["properties"])
        assert named["properties"]["name"]["examples"] == list(rows)
        assert {"$ref": f"#/components/schemas/Named{field.capitalize()}"} in request["properties"][field]["oneOf"]


def test_no_request_field_has_a_default_that_generated_clients_would_send(document: dict[str, Any]) -> None:
    schemas = [*document["components"]["schemas"].values()]
    fields = {name: row for schema in schemas for name, row in schema.get("properties", {}).items() if "default" in row}
    assert fields == {}


def test_generated_clients_read_numbers_with_all_their_digits(document: dict[str, Any]) -> None:
    def numbers(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [number for item in node for number in numbers(item)]
        if not isinstance(node, dict):
            return []
        here = [node] if node.get("type") in ("integer", "number") else []
        return here + [number for item in node.values() for number in numbers(item)]

    assert {(row["type"], row["format"]) for row in numbers(document)} == {("integer", "int64"), ("number", "double")}


def test_the_document_has_what_registries_ask_for(document: dict[str, Any]) -> None:
    assert document["servers"]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in document["tags"]}
    assert all("4XX" in operation["responses"] for operation in operations)


@pytest.mark.parametrize("path", ["/openapi.json", "/schemes", "/activations", "/recommend?activation=relu"])
def test_a_document_may_be_kept_and_is_validated_by_its_etag(http: httpx.Client, path: str) -> None:
    first = http.get(path)
    etag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    again = http.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert http.head(path).headers["ETag"] == etag
    assert http.get(path, headers={"If-None-Match": '"another"'}).content == first.content
    assert http.get(path, headers={"If-Match": '"another"'}).status_code == 412


def test_documents_differ_where_their_etags_do(http: httpx.Client) -> None:
    paths = ("/schemes", "/activations", "/recommend?activation=relu", "/recommend?activation=tanh", "/openapi.json")
    assert len({http.get(path).headers["ETag"] for path in paths}) == len(paths)


def test_bytes_come_before_json_because_generated_clients_use_the_first_type_they_know(document: dict[str, Any]) -> None:
    for method in ("get", "post"):
        types = list(document["paths"]["/init"][method]["responses"]["200"]["content"])
        assert types.index("application/octet-stream") < types.index("application/json")
        assert types[0] == "application/x-npy", "the type that /docs requests"


@pytest.mark.parametrize("request_", GOLDEN, ids=lambda request: request.get("scheme", "auto"))
def test_document_describes_all_metadata(http: httpx.Client, document: dict[str, Any], request_: dict[str, Any]) -> None:
    metadata = json.loads(http.post("/init", json=request_).headers["Weight-Init"])
    schema = {"$ref": "#/components/schemas/Metadata", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(metadata)
    assert set(metadata) <= set(document["components"]["schemas"]["Metadata"]["properties"])


def test_every_reference_in_the_document_resolves(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, list):
            return [reference for item in node for reference in references(item)]
        if isinstance(node, dict):
            return ([node["$ref"]] if "$ref" in node else []) + [inner for item in node.values() for inner in references(item)]
        return []

    all_references = references(document)
    assert all_references
    for reference in all_references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_the_openapi_document_is_made_once() -> None:
    app = create_app(Settings())
    assert app.openapi() is app.openapi()


# the Host header, which a client sends as it likes

HOSTS = ("evil.example", "evil.example:8000", "evil%2eexample", "[::1]", "")  # others are refused: see test_connections.py


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 307),
        ("GET", "/init/", 404),
        ("GET", "/init/?shape=3,5", 404),
        ("HEAD", "/init/", 404),
        ("POST", "/init/", 404),
        ("GET", "//init", 404),
        ("GET", "/docs/", 404),
        ("GET", "/static-offline-docs", 404),
        ("GET", "/docs", 200),
        ("GET", "/docs/oauth2-redirect", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/init", 405),
        ("GET", "/init?shape=0", 422),
        ("POST", "/init", 415),
        ("GET", "/init?shape=3,5&seed=1", 200),
    ],
)
def test_no_response_repeats_the_host_of_the_request(http: httpx.Client, method: str, path: str, status: int, host: str) -> None:
    request = httpx.Request(method, http.base_url.copy_with(raw_path=path.encode()), headers={"Host": host})
    response = http.send(request)
    assert response.status_code == status
    assert "evil" not in f"{response.headers}{response.text}"
    assert response.headers.get("Location", "/docs") == "/docs"
    assert "Allow" not in response.headers or response.headers["Allow"] == "GET, HEAD, POST"


def test_a_path_with_a_slash_at_its_end_is_unknown(http: httpx.Client) -> None:
    assert http.get("/init/").json()["detail"].startswith("Not Found: GET /init/. The routes are /init, /checkpoint, ")


def test_a_bug_is_a_500_with_any_host(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.contract.catalogue.schemes", lambda: 1 / 0)
    for host in HOSTS:
        assert http.get("/schemes", headers={"Host": host}).json()["title"] == "Internal Server Error"


def test_the_redirect_to_the_documentation_stays_below_the_root_path() -> None:
    async def location() -> str:
        transport = httpx.ASGITransport(create_app(Settings()), root_path="/weights")
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
            return (await client.get("/weights/")).headers["Location"]

    assert asyncio.run(location()) == "/weights/docs"
