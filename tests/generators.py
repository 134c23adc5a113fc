"""What the tests of generate.py and sampling/ need: generators whose images show their input.

A test file that imports `in_tmp_path` has each of its tests run in a folder of its own.
"""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import generate
import sampling.checks

INFOGAN = {
    "kind": "infogan",
    "classes": 10,
    "latent": [
        {"name": "noise", "size": 62, "distribution": "normal"},
        {"name": "category", "size": 10, "distribution": "one-hot"},
        {"name": "codes", "size": 2, "distribution": "uniform"},
    ],
}


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    """Run each test in a folder of its own: pictures are written to the current folder.

    Files are not read in another process first, of which test_hostile.py has the tests.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sampling.checks, "check_readable", lambda path, changed: None)


def glass(width, n_labels=0, name="g.h5", **about):
    """Save a self-describing generator whose first pixels are its input, [-16, 16] to [0, 1].

    With `n_labels` there is a label input, and the pixel after the latent point is the label.
    """
    inputs = [keras.Input((width,))]
    x = inputs[0]
    if n_labels:
        inputs.append(keras.Input((1,), dtype="int32"))
        embedding = layers.Embedding(n_labels, 1)
        x = layers.Concatenate()([x, layers.Flatten()(embedding(inputs[1]))])
        embedding.set_weights([np.arange(n_labels, dtype="float32").reshape(-1, 1)])
    dense = layers.Dense(784, use_bias=False, name="show")
    image = layers.Reshape((28, 28, 1))(dense(x))
    model = keras.Model(inputs if n_labels else inputs[0], image)
    dense.set_weights([np.eye(width + bool(n_labels), 784, dtype="float32")])
    model.save(name)
    write_account(name, account_of(width, n_labels) | about)
    return model


def account_of(width, n_labels=0):
    """Return what a glass generator says of itself."""
    return {
        "kind": "conditional" if n_labels else "unconditional",
        "latent": [{"name": "noise", "size": width, "distribution": "normal"}],
        "classes": n_labels,
        "class_names": [],
        "pixel_range": [-16, 16],
    }


def write_account(name, about):
    """Write the attribute gan of a .h5 file; None removes it."""
    with h5py.File(name, "r+") as file:
        if about is None:
            del file.attrs["gan"]
        else:
            file.attrs["gan"] = json.dumps(about)


def stranger(width, n_labels=0, name="g.h5", activation=None, scale=1.0):
    """Save a generator as `glass` does, times `scale`, that says nothing of itself."""
    model = glass(width, n_labels, name)
    show = model.get_layer("show")
    show.set_weights([scale * weight for weight in show.get_weights()])
    if activation:
        model = keras.Model(model.inputs, layers.Activation(activation)(model.output))
    model.save(name)
    return model


def inputs_of(images):
    """Return the inputs that the images of a glass generator show, (n, 784)."""
    return images.reshape(-1, 784) * 32 - 16


def draw(*argv):
    """Call generate.py in this process; return the arrays that it writes with --npz."""
    generate.main([str(arg) for arg in (*argv, "--npz", "run.npz")])
    with np.load("run.npz") as arrays:
        return dict(arrays)


def error_of(capsys, *argv):
    """Call generate.py with a mistake; return its one line on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        generate.main([str(arg) for arg in argv])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert error.value.code == 2
    assert captured.out == ""
    assert len(lines) == 1 and lines[0].startswith("generate.py: error: ")
    return lines[0]


def pixels(path):
    """Return the pixels of a picture, and the texts in it."""
    with Image.open(path) as picture:
        return np.asarray(picture), picture.text
