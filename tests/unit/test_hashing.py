import dataclasses

from npubench.domain.specs import Precision, TensorSpec
from npubench.storage.hashing import digest, sha256_of_file


def test_equal_content_gives_equal_digests():
    a = TensorSpec("x", (1, 3))
    assert digest(a, {"b": 1, "a": [Precision.INT8]}) == digest(
        TensorSpec("x", (1, 3)), {"a": ["int8"], "b": 1}
    )


def test_every_field_counts():
    base = TensorSpec("x", (1, 3), "float32")
    changed = [
        dataclasses.replace(base, name="y"),
        dataclasses.replace(base, shape=(3, 1)),
        dataclasses.replace(base, dtype="int8"),
    ]
    assert len({digest(spec) for spec in [base, *changed]}) == 4


def test_boundaries_between_parts_count():
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a", "b") != digest(["a", "b"])


def test_file_hash_is_the_one_that_sha256sum_prints(tmp_path):
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    assert sha256_of_file(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
