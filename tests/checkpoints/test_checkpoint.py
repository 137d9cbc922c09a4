"""A tensor of a checkpoint is the one that /init draws under its name, in a file that the library of the format reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from service.checkpoints.checkpoint import Checkpoint, checkpoint_of
from service.checkpoints.folder import write_folder
from service.checkpoints.shards import Shards, shard_bytes_from
from service.contract.answer import Limits, answer
from service.contract.request import InitRequest
from service.core.errors import InvalidValue, UnknownName
from service.files.formats import FORMATS
from service.files.virtual import VirtualFile

LIMITS = Limits()
NORMAL = {"scheme": "normal", "stddev": 0.02}


def manifest(**fields: Any) -> dict[str, Any]:
    """A manifest with every kind of tensor: drawn in order and transposed, with a zero row, structured, constant, and stored."""
    return {
        "seed": 7,
        "tensors": [
            {"name": "embed", "shape": [11, 6], **NORMAL, "layer": "embedding", "padding_idx": 1},
            {"name": "b.kernel", "shape": [3, 5], "layout": "keras"},
            {"name": "b.bias", "shape": [5]},
            {"name": "square", "shape": [6, 6], "scheme": "orthogonal"},
            {"name": "steps", "shape": [], "dtype": "int64", "values": [3]},
            {"name": "mask", "shape": [2, 2], "dtype": "bool", "values": [True, False, False, True]},
            {"name": "double", "shape": [4], "dtype": "float64", **NORMAL},
            {"name": "empty", "shape": [0, 4], **NORMAL},
            {"name": "scale", "shape": [], "scheme": "constant", "value": 0.5},
        ],
        "rules": [{"match": "*.bias", "scheme": "zeros"}, {"match": "b.*", "activation": "relu"}],
        "tied": {"head": "embed"},
        **fields,
    }


def opened(**fields: Any) -> Checkpoint:
    return checkpoint_of(manifest(**fields), LIMITS)


def content_of(checkpoint: Checkpoint) -> bytes:
    return bytes(Shards(checkpoint).shard("model.safetensors").file.read())


def drawn(checkpoint: Checkpoint, name: str) -> bytes:
    file = answer(checkpoint.request(name), FORMATS["raw"], LIMITS).file
    assert isinstance(file, VirtualFile)
    return bytes(file.read())


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_every_tensor_is_the_one_of_init(dtype: str) -> None:
    checkpoint = opened(dtype=dtype)
    content = content_of(checkpoint)
    length = int.from_bytes(content[:8], "little")
    rows, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    names = [name for name in rows if name not in ("__metadata__", "steps", "mask")]
    assert len(names) == 7
    for name in names:
        start, stop = rows[name]["data_offsets"]
        assert data[start:stop] == drawn(checkpoint, name), name


def test_the_request_of_a_tensor_is_what_a_client_would_send() -> None:
    request = opened().request("b.kernel")
    assert request == InitRequest(name="b.kernel", shape=[3, 5], layout="keras", activation="relu", seed=7, dtype="float32")


def test_the_library_of_the_format_reads_the_file() -> None:
    tensors = load(content_of(opened()))
    assert tensors["steps"].dtype == np.int64
    assert tensors["steps"] == 3
    assert tensors["mask"].tolist() == [[True, False], [False, True]]
    assert tensors["embed"][1].tolist() == [0] * 6
    assert tensors["empty"].shape == (0, 4)
    assert tensors["scale"] == 0.5
    np.testing.assert_allclose(tensors["square"] @ tensors["square"].T, np.eye(6), atol=1e-5)
    assert "head" not in tensors


def test_the_tensors_lie_as_the_library_of_the_format_would_lay_them() -> None:
    content = content_of(opened())
    ours = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    theirs_content = save(load(content))
    theirs = json.loads(theirs_content[8 : 8 + int.from_bytes(theirs_content[:8], "little")])
    assert {name: row for name, row in ours.items() if name != "__metadata__"} == theirs
    assert (8 + int.from_bytes(content[:8], "little")) % 8 == 0


def test_every_part_of_the_file_is_a_part_of_the_whole() -> None:
    file = Shards(opened()).shard("model.safetensors").file
    content = bytes(file.read())
    assert len(content) == file.nbytes
    for start in range(0, file.nbytes, 37):
        for stop in (start, start + 1, start + 100, file.nbytes):
            stop = min(stop, file.nbytes)
            assert bytes(file.read(start, stop)) == content[start:stop]


def test_the_metadata_says_how_the_tensors_are_drawn() -> None:
    metadata = opened(metadata={"author": "me"}).metadata
    assert metadata["author"] == "me"
    made = json.loads(metadata["weight_init"])
    assert made["stream"] == 1
    assert made["seed"] == 7
    assert made["rules"] == manifest()["rules"]
    assert json.loads(content_of(opened())[8:].split(b'"weight_init"')[0] + b'"a":""}}')["__metadata__"]["format"] == "pt"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"dtype": "bfloat16"},
        {"rules": [{"match": "*.bias", "scheme": "ones"}, {"match": "b.*", "activation": "relu"}]},
        {"tensors": [{**row, "values": [4]} if row["name"] == "steps" else row for row in manifest()["tensors"]]},
        {"tensors": [{**manifest()["tensors"][0], "name": "embed2"}, *manifest()["tensors"][1:]], "tied": {}},
    ],
)  # fmt: skip
def test_the_digest_changes_with_any_tensor(change: dict[str, Any]) -> None:
    assert opened(**change).digest != opened().digest


def test_the_digest_does_not_change_with_the_way_to_say_the_same() -> None:
    tensors = [{"rules": 0, **row} for row in manifest()["tensors"]]
    for row in tensors:
        del row["rules"]
        row.update({"scheme": "zeros"} if row["name"] == "b.bias" else {"activation": "relu"} if row["name"] == "b.kernel" else {})
    assert opened(tensors=tensors, rules=[]).digest == opened().digest


def test_a_tied_tensor_is_the_one_that_it_shares() -> None:
    assert opened().request("head") == opened().request("embed")


def test_a_stored_tensor_has_no_request() -> None:
    with pytest.raises(InvalidValue, match="steps, whose values stand in the manifest"):
        opened().request("steps")


def blocks(count: int, elements: int) -> Checkpoint:
    tensors = [{"name": f"h.{number}", "shape": [elements]} for number in range(count)]
    return checkpoint_of({"tensors": tensors, "rules": [{"match": "*", **NORMAL}]}, LIMITS)


def test_shards_hold_all_tensors_once_and_the_index_says_where() -> None:
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)
    assert shards.file_names == [f"model-0000{number}-of-00006.safetensors" for number in range(1, 7)]
    found = {name: shard.file_name for shard in shards for name in load(bytes(shard.file.read()))}
    assert found == shards.index["weight_map"]
    assert shards.index["metadata"] == {"total_size": 12 * 400_000}
    assert list(found) != []


def test_shards_and_the_whole_hold_the_same_tensors() -> None:
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)
    whole = load(bytes(shards.shard("model.safetensors").file.read()))
    parts = {name: values for shard in shards for name, values in load(bytes(shard.file.read())).items()}
    assert whole.keys() == parts.keys()
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_a_tensor_larger_than_a_shard_has_one_of_its_own() -> None:
    tensors = [{"name": "a", "shape": [10]}, {"name": "b", "shape": [500_000]}, {"name": "c", "shape": [10]}]
    checkpoint = checkpoint_of({"tensors": tensors, "defaults": NORMAL}, LIMITS)
    assert Shards(checkpoint, shard_bytes=10**6).index["weight_map"] == {
        "a": "model-00002-of-00002.safetensors",
        "b": "model-00001-of-00002.safetensors",
        "c": "model-00002-of-00002.safetensors",
    }


def test_an_unknown_shard_is_refused() -> None:
    with pytest.raises(UnknownName):
        Shards(blocks(2, 10)).shard("model-00001-of-00002.safetensors")


@pytest.mark.parametrize(("text", "nbytes"), [("5GB", 5 * 10**9), ("1.5 mb", 1_500_000), ("2GiB", 2**31), ("1000000", 10**6)])
def test_a_shard_size_has_a_unit(text: str, nbytes: int) -> None:
    assert shard_bytes_from(text) == nbytes


@pytest.mark.parametrize("text", ["", "5 apples", "-5GB", "1kB", "0", "1e9", "9" * 100 + "GB"])
def test_a_wrong_shard_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="at least 1MB"):
        shard_bytes_from(text)


def written(shards: Shards, folder: Path, *, force: bool = False) -> tuple[int, int]:
    """Write a folder. Return how many shards were there, and the bytes that the progress bar counted."""
    counted: list[int] = []
    return write_folder(shards, folder, {"model_type": "x"}, force=force, advance=counted.append), sum(counted)


def test_a_folder_has_the_shards_their_index_and_the_config(tmp_path: Path) -> None:
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)
    total = sum(shard.file.nbytes for shard in shards)
    assert written(shards, tmp_path / "new" / "model") == (0, total)
    assert sorted(path.name for path in (tmp_path / "new" / "model").iterdir()) == [
        "config.json", *shards.file_names, "model.safetensors.index.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "new/model/model.safetensors.index.json").read_bytes()) == shards.index


def test_a_stopped_run_goes_on_shard_by_shard(tmp_path: Path) -> None:
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)
    written(shards, tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / shards.file_names[3]).unlink()
    kept = (tmp_path / shards.file_names[0]).stat().st_mtime_ns
    assert written(shards, tmp_path)[0] == 5
    assert (tmp_path / shards.file_names[0]).stat().st_mtime_ns == kept
    assert (tmp_path / "config.json").exists()


def test_a_folder_without_its_last_shard_names_no_checkpoint(tmp_path: Path) -> None:
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)

    class Stopped(BaseException):
        pass

    def stop_in_the_third(nbytes: int) -> None:
        counted.append(nbytes)
        if sum(counted) > 2_000_000:
            raise Stopped

    counted: list[int] = []
    with pytest.raises(Stopped):
        write_folder(shards, tmp_path, {}, force=False, advance=stop_in_the_third)
    assert sorted(path.name for path in tmp_path.iterdir()) == shards.file_names[:2]


@pytest.mark.parametrize("other", [blocks(12, 100_001), checkpoint_of({"tensors": [{"name": "a", "shape": [9], **NORMAL}]}, LIMITS)])
def test_a_folder_with_another_checkpoint_is_refused_unless_forced(tmp_path: Path, other: Checkpoint) -> None:
    written(Shards(other, shard_bytes=10**6), tmp_path)
    shards = Shards(blocks(12, 100_000), shard_bytes=10**6)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InvalidValue, match="--force"):
        written(shards, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    written(shards, tmp_path, force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors.index.json", *shards.file_names}


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    tensors = [{"name": str(number), "shape": [2**37]} for number in range(20)]
    large = checkpoint_of({"tensors": tensors, "defaults": NORMAL}, LIMITS)  # 10 TB
    with pytest.raises(OSError, match="bytes needed"):
        written(Shards(large), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_shard_is_another_file(tmp_path: Path) -> None:
    shards = Shards(blocks(2, 100))
    written(shards, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidValue, match="--force"):
        written(shards, tmp_path)
