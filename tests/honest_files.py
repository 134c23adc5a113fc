"""Honest files of a small generator in each format, for hostile_files.py and test_formats.py.

It makes 8x8 images of 4 numbers with one Dense layer, and is described as Keras 3 does it.
"""

import json
import zipfile

import h5py
import numpy as np


def layer(class_name, **settings):
    """Return the description of a layer, as Keras 3 stores it."""
    settings = {"name": class_name.lower(), "trainable": True, **settings}
    return {"module": "keras.layers", "class_name": class_name, "config": settings}


def chain(*inner):
    """Return the description of a model of layers in a row, from 4 numbers on."""
    first = layer("InputLayer", batch_shape=[None, 4], dtype="float32")
    config = {"name": "g", "layers": [first, *inner]}
    return {"class_name": "Sequential", "config": config}


DENSE = layer("Dense", units=64, activation="sigmoid")
SHAPE = layer("Reshape", target_shape=[8, 8, 1])
ABOUT = {
    "format": 1,
    "kind": "unconditional",
    "classes": 0,
    "pixel_range": [0, 1],
    "latent": [{"name": "noise", "size": 4, "distribution": "normal"}],
}
WEIGHTS = {"kernel": np.ones((4, 64), "f4"), "bias": np.ones(64, "f4")}


def honest(path, model=None, about=None, **more):
    """Write an .h5 file of the generator; return it, still open, to be spoilt.

    `model` replaces its description, `about` adds to its account of itself, `more` are weights of
    other layers, {name: array}.
    """
    file = h5py.File(path, "w")
    file.attrs["model_config"] = json.dumps(model or chain(DENSE, SHAPE))
    file.attrs["keras_version"] = "3.15.1"
    file.attrs["gan"] = json.dumps(ABOUT | (about or {}))
    store(file.create_group("model_weights"), {"dense": WEIGHTS})
    store(file["model_weights"], {name: {"kernel": array} for name, array in more.items()})
    return file


def store(group, weights):
    """Store weights, {layer: {name: array}}, in a group of an HDF5 file under their names."""
    for name, arrays in weights.items():
        stored = group.create_group(name)
        stored.attrs["weight_names"] = [f"{name}/{key}" for key in arrays]
        for key, array in arrays.items():
            stored[f"{name}/{key}"] = array


def honest_weights(path):
    """Write the generator's weights alone, as save_weights of Keras 2 does."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["dense", "reshape"]
        store(file, {"dense": WEIGHTS})


def numbered(path, weights, container="layers", separator="/"):
    """Write an HDF5 file of weights, {group: [array, ...]}, as a .keras file has one; return it.

    It is still open. Keras 2.12 and 2.13 have another container; on Windows they separate names
    by a backslash.
    """
    file = h5py.File(path, "w")
    for group, arrays in weights.items():
        for k, array in enumerate(arrays):
            file[f"{separator.join([container, *group.split('/'), 'vars'])}/{k}"] = array
    return file


def pack(path, parts, weights=None, method=zipfile.ZIP_STORED):
    """Write a zip file of `parts`, {name: text or bytes}, and of a file of weights."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        if weights:
            archive.write(weights, "model.weights.h5")


def keras_file(path, model=None, version="3.15.1", method=zipfile.ZIP_STORED, **weights):
    """Write a .keras file; `model` replaces the generator's description.

    `weights` are the arguments of `numbered`, by default those of the generator.
    """
    inner = path.with_suffix(".inner")
    numbered(inner, **({"weights": {"dense": list(WEIGHTS.values())}} | weights)).close()
    parts = {
        "metadata.json": json.dumps({"keras_version": version}),
        "config.json": json.dumps(model or chain(DENSE, SHAPE)),
    }
    pack(path, parts, inner, method)
    inner.unlink()
