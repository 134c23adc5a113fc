"""False files of the other formats, zip and JSON: `KINDS` has a function for each kind.

Each writes one file to a path, and perhaps another beside it. The names of all end in .h5: what a
file is its content says.
"""

import json
import zipfile

import h5py
import numpy as np
from honest_files import (
    DENSE,
    SHAPE,
    WEIGHTS,
    chain,
    honest,
    honest_weights,
    keras_file,
    numbered,
    pack,
)
from hostile_models import CODE, SYSTEM, wide
from hostile_stored import endless

DEFLATED = zipfile.ZIP_DEFLATED
PARTS = {
    "metadata.json": json.dumps({"keras_version": "3.15.1"}),
    "config.json": json.dumps(chain(DENSE, SHAPE)),
}

# ---- zip files -----------------------------------------------------------------------------------


def packed(method=zipfile.ZIP_STORED, **parts):
    """Return a kind: a zip file of texts, whose names end in .json unless they have an ending."""
    contents = {name if "." in name else f"{name}.json": text for name, text in parts.items()}

    def write(path):
        pack(path, PARTS | contents, method=method)

    return write


def torch_file(path):
    pack(path, {"archive/data.pkl": "cos\nsystem\n", "archive/version": "3"})


def other_zip(path):
    pack(path, {"../ran": "x", "generator.h5": "x"})


def keras_without_weights(path):
    pack(path, PARTS)


def keras_without_metadata(path):
    pack(path, {"config.json": PARTS["config.json"], "model.weights.h5": b"x"})


def keras_cut(path):
    keras_file(path)
    path.write_bytes(path.read_bytes()[:-100])


def keras_bit(path):
    """One bit turned in a weight: the zip file's check sum tells."""
    keras_file(path)
    data = bytearray(path.read_bytes())
    place = data.index(np.ones(64, "f4").tobytes())
    data[place + 3] ^= 1
    path.write_bytes(data)


def keras_encrypted(path):
    """The flag of encryption is set."""
    keras_file(path)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(signature, place + 1)
    path.write_bytes(data)


def keras_of_weights(edit):
    """Return a kind: a .keras file whose file of weights `edit` spoils."""

    def write(path):
        inner = path.with_suffix(".inner")
        with numbered(inner, {"dense": list(WEIGHTS.values())}) as file:
            edit(file)
        pack(path, PARTS, inner)
        inner.unlink()

    return write


def not_a_number(file):
    file["layers/dense/vars/0"][2, 3] = np.nan


def outside(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/kernel")


def unwritten(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", (4, 64), "f4")


def one_less(file):
    del file["layers/dense/vars/1"]


def one_more(file):
    file["layers/dense/vars/2"] = np.ones(64, "f4")


def one_layer_more(file):
    file["layers/dense_1/vars/0"] = np.ones(64, "f4")


def without_number(file):
    file.move("layers/dense/vars/1", "layers/dense/vars/x")


def of_another_layer(file):
    file.move("layers/dense", "layers/conv2d")


def keras_of_file(write):
    """Return a kind: a .keras file whose file of weights `write` writes."""

    def pack_it(path):
        inner = path.with_suffix(".inner")
        write(inner)
        pack(path, PARTS, inner)
        inner.unlink()

    return pack_it


def whole_model(path):
    honest(path).close()


def keras_model(*inner):
    """Return a kind: a .keras file with this chain of layers."""

    def write(path):
        keras_file(path, chain(*inner))

    return write


def keras_lzma(path):
    keras_file(path, method=zipfile.ZIP_LZMA)


WRITERS = (
    torch_file, other_zip, keras_without_weights, keras_without_metadata, keras_cut, keras_bit,
    keras_encrypted, keras_lzma,
)  # fmt: skip
ZIPS = {write.__name__: write for write in WRITERS} | {
    "keras_bomb": packed(DEFLATED, **{"model.weights.h5": bytes(2 * 10**8)}),
    "keras_long_description": packed(config=" " * 10**7, **{"model.weights.h5": b"x"}),
    "keras_deep_description": packed(config="[" * 20_000, **{"model.weights.h5": b"x"}),
    "keras_no_json": packed(config="{", **{"model.weights.h5": b"x"}),
    "keras_no_hdf5": packed(**{"model.weights.h5": b"x"}),
    "keras_list": packed(config="[]", **{"model.weights.h5": b"x"}),
    "keras_version_less": packed(metadata="{}", **{"model.weights.h5": b"x"}),
    "keras_endless": keras_of_file(endless),
    "keras_of_a_whole_model": keras_of_file(whole_model),
    "keras_of_named_weights": keras_of_file(honest_weights),
    "keras_not_a_number": keras_of_weights(not_a_number),
    "keras_external_link": keras_of_weights(outside),
    "keras_never_written": keras_of_weights(unwritten),
    "keras_missing_weight": keras_of_weights(one_less),
    "keras_surplus_weight": keras_of_weights(one_more),
    "keras_surplus_layer": keras_of_weights(one_layer_more),
    "keras_without_number": keras_of_weights(without_number),
    "keras_missing_layer": keras_of_weights(of_another_layer),
    "keras_lambda": keras_model(DENSE, SHAPE, CODE),
    "keras_function": keras_model(wide(activation=SYSTEM), SHAPE),
    "keras_units": keras_model(wide(units=2 * 10**9), SHAPE),
}

# ---- JSON ----------------------------------------------------------------------------------------


def described(text):
    """Return a kind: a file of weights, and beside it this text as its description."""

    def write(path):
        honest_weights(path)
        path.with_suffix(".json").write_text(text)

    return write


def description_alone(path):
    path.write_text(PARTS["config.json"])


def description_beside_nothing(path):
    """The weights' file is there, but holds a picture."""
    description_alone(path)
    path.with_name(f"{path.stem}_weights.h5").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


def description_in_a_circle(path):
    """A description where the weights should be."""
    description_alone(path)
    path.with_name(f"{path.stem}_weights.h5").write_text(PARTS["config.json"])


def weights_of_another_layer(path):
    described(PARTS["config.json"])(path)
    with h5py.File(path, "r+") as file:
        file.move("dense", "other")


WRITERS = (
    description_alone, description_beside_nothing, description_in_a_circle,
    weights_of_another_layer,
)  # fmt: skip
PAIRS = {write.__name__: write for write in WRITERS} | {
    "description_empty": described(""),
    "description_no_json": described("{"),
    "description_number": described("7"),
    "description_of_results": described('{"file": "generator_model_005.h5"}'),
    "description_deep": described("[" * 20_000),
    "description_long": described(" " * 10**7),
    "description_lambda": described(json.dumps(chain(DENSE, SHAPE, CODE))),
    "description_units": described(json.dumps(chain(wide(units=10**9), SHAPE))),
}


def account_beside_description(path):
    """A file of weights with a false account of itself."""
    described(PARTS["config.json"])(path)
    with h5py.File(path, "r+") as file:
        file.attrs["gan"] = '{"format": 2}'


KINDS = ZIPS | PAIRS | {"account_beside_description": account_beside_description}
