"""sampling/formats.py and weights.py: .keras files, and weights beside their model's description.

What Keras 3 writes is written by it; what Keras 2.12 to 2.15 wrote is written here, as files of
theirs show it. test_hostile.py has files that are not to be opened.
"""

import json
import os
import tempfile
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from generators import error_of, in_tmp_path  # noqa: F401
from honest_files import keras_file, pack
from keras import layers
from keras2_files import (
    fill,
    keras2_functional,
    keras2_input,
    keras2_layer,
    keras2_sequential,
    mnist_generator,
)

from sampling import files
from sampling.checks import GeneratorFileError
from sampling.draw import run_model

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


def assert_same(path, native, labels=None):
    """Compare the images of a file with those of a native network."""
    model, _ = files.open_generator(path)
    latent, _ = files.find_inputs(model)
    points = np.random.default_rng(0).standard_normal((4, model.inputs[latent].shape[1]))
    points = points.astype("float32")
    images = run_model(model, points, labels)
    expected = native(points if labels is None else [points, labels.reshape(-1, 1)]).numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(images, expected.reshape(images.shape), rtol=0, atol=1e-6)


# ---- .keras files of Keras 3 ---------------------------------------------------------------------


def conditional():
    """Build a network with a class input, and in it a model inside a model inside it."""
    noise = keras.Input((16,))
    label = keras.Input((1,), dtype="int32")
    inner = keras.Input((16,))
    innermost = keras.Sequential([layers.Input((16,)), layers.Dense(16), layers.Dense(16)])
    nested = keras.Model(inner, layers.BatchNormalization()(innermost(layers.Dense(16)(inner))))
    product = layers.Multiply()([noise, layers.Flatten()(layers.Embedding(10, 16)(label))])
    x = layers.Dense(64, "tanh")(nested(nested(product)))
    return keras.Model([noise, label], layers.Reshape((8, 8, 1))(x))


def branches():
    """Build a network of alike layers, which were made in another order than they follow in."""
    noise = keras.Input((16,))
    alike = [layers.Dense(16, "relu") for _ in range(5)]
    a = alike[4](noise)
    b = alike[0](noise)
    c = alike[2](alike[3](a))
    x = layers.Concatenate()([a, b, c, alike[1](layers.Add()([b, noise]))])
    return keras.Model(noise, layers.Reshape((8, 8, 1))(x))


def wrapped():
    """Build a network with weights inside wrappers, and a frozen layer."""
    noise = keras.Input((16,))
    x = layers.PReLU()(layers.Dense(64, activation=layers.LeakyReLU(0.7))(noise))
    x = layers.Dropout(0.5, seed=1)(layers.Reshape((8, 8, 1))(x))
    x = layers.SpectralNormalization(layers.Conv2D(4, 3, padding="same"))(x)
    frozen = layers.BatchNormalization()
    x = layers.TimeDistributed(layers.Dense(4))(frozen(x))
    frozen.trainable = False
    return keras.Model(noise, layers.SeparableConv2D(3, 3, padding="same")(x))


@pytest.mark.parametrize("build", [mnist_generator, branches, wrapped])
def test_keras3(build):
    native = fill(build())
    native.save("g.keras")
    assert_same("g.keras", native)
    Path("g.keras").rename("g.h5")  # the name says nothing
    assert_same("g.h5", native)
    native.save("whole.h5")
    Path("whole.h5").rename("h5.keras")
    assert_same("h5.keras", native)


def test_keras3_with_classes_and_an_optimizer():
    native = fill(conditional())
    native.compile("adam", "mse")
    labels = np.array([3, 0, 9, 3])
    native.train_on_batch([np.ones((4, 16)), labels.reshape(-1, 1)], np.ones((4, 8, 8, 1)))
    native.save("g.keras")
    assert_same("g.keras", native, labels)
    model, about = files.open_generator("g.keras")
    assert (about["kind"], about["classes"]) == ("conditional", 10)
    assert files.read_description("g.keras") is None


def test_weights_that_are_made_too_late():
    """Keras makes those of an activation when it is first called: they would not be loaded."""
    dense = layers.Dense(64, activation=layers.PReLU(alpha_initializer="ones"))
    native = keras.Sequential([layers.Input((16,)), dense])
    native(np.ones((1, 16)))
    for name in ("g.keras", "g.h5"):
        fill(native).save(name)
        with pytest.raises(GeneratorFileError, match=r"not known here, PReLU \(as an activation\)"):
            files.open_generator(name)


def test_bfloat16():
    """The weights are float32, and so are the images: as of an .h5 file."""
    policy = {"dtype": "mixed_bfloat16"}
    dense = layers.Dense(64, **policy)
    native = keras.Sequential([keras.Input((4,)), dense, layers.Reshape((8, 8, 1), **policy)])
    fill(native)
    native.save("g.keras")
    native.save("g.h5")
    model, _ = files.open_generator("g.h5")
    assert_same("g.keras", model)


# ---- and of Keras 2.12 to 2.15 -------------------------------------------------------------------

OLD = "_layer_checkpoint_dependencies"


def keras2_network(version):
    """Describe two layers and a model of three, all alike but the last, as Keras 2 did."""
    inner = [
        keras2_layer(version, "Dense", "d3", units=16, activation="tanh", first=[16]),
        keras2_layer(version, "BatchNormalization", "b1", axis=[1]),
        keras2_layer(version, "Dense", "d4", units=16, activation="tanh"),
        keras2_layer(version, "BatchNormalization", "b2", axis=[1]),
        keras2_layer(version, "Dense", "d5", units=64, activation="tanh"),
        keras2_layer(version, "Reshape", "r1", target_shape=[8, 8, 1]),
    ]
    nested = keras2_sequential(version, inner)
    nested["config"]["name"] = "nested"
    dense = {"units": 16, "activation": "tanh"}
    nodes = [
        (keras2_input(version, "in", [16]), []),
        (keras2_layer(version, "Dense", "d1", **dense), [["in", 0, 0]]),
        (keras2_layer(version, "Dense", "d2", **dense), [["d1", 0, 0]]),
        (nested, [["d2", 0, 0]]),
    ]
    return keras2_functional(version, nodes, ["in"], ["nested", 1, 0])


def native_network():
    """Build the same network in Keras 3; return it, and its layers with weights in order."""
    names = ("d1", "d2", "d3", "d4")
    alike = [layers.Dense(16, "tanh", name=name) for name in names]
    last = layers.Dense(64, "tanh", name="d5")
    norms = [layers.BatchNormalization(name=name) for name in ("b1", "b2")]
    order = [alike[0], alike[1], alike[2], norms[0], alike[3], norms[1], last]
    native = keras.Sequential([layers.Input((16,)), *order, layers.Reshape((8, 8, 1))])
    return fill(native), order


@pytest.mark.parametrize("separator", ["/", "\\"])  # of Windows
@pytest.mark.parametrize(
    "version,container,counts", [("2.12.0", OLD, (0, 2, 4)), ("2.15.0", "layers", (0, 1, 2))]
)
def test_keras2(version, container, counts, separator):
    native, order = native_network()
    numbers = [f"_{k}" if k else "" for k in counts]
    nested = f"sequential/{container}"
    groups = [
        *(f"dense{k}" for k in numbers[:2]),
        f"{nested}/dense",
        f"{nested}/batch_normalization",
        f"{nested}/dense{numbers[1]}",
        f"{nested}/batch_normalization{numbers[1]}",
        f"{nested}/dense{numbers[2]}",
    ]
    weights = {}
    for group, layer in zip(groups, order, strict=True):
        weights[group] = layer.get_weights()
    stored = {"weights": weights, "container": container, "separator": separator}
    keras_file(Path("g.keras"), keras2_network(version), version, **stored)
    assert_same("g.keras", native)


@pytest.mark.parametrize("version,opens", [("2.15.0", False), ("3.0.5", True)])
def test_hard_sigmoid(version, opens):
    """That of Keras 2 is another curve."""
    native = fill(keras.Sequential([layers.Input((4,)), layers.Dense(64, "hard_sigmoid")]))
    native.save("g.keras")
    with zipfile.ZipFile("g.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    pack("g.keras", parts | {"metadata.json": json.dumps({"keras_version": version})})
    Path("g.json").write_text(json.dumps(json.loads(native.to_json()) | {"keras_version": version}))
    native.save_weights("g.weights.h5")
    for name in ("g.keras", "g.json", "g.weights.h5"):
        if opens:
            assert_same(name, native)
        else:
            with pytest.raises(GeneratorFileError, match=f"^{name} uses the hard_sigmoid"):
                files.open_generator(name)


# ---- what is unpacked ----------------------------------------------------------------------------


def test_nothing_stays_behind(monkeypatch, tmp_path):
    """Weights are unpacked for a moment, and parts that no model has not at all."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    keras_file(Path("g.keras"))
    with zipfile.ZipFile("g.keras", "a") as archive:
        archive.writestr("../ran", "x")
        archive.writestr("assets/ran.py", "x")
    files.open_generator("g.keras")
    keras_file(Path("bad.keras"), weights={"dense": [np.full((4, 64), np.nan)]})
    with pytest.raises(GeneratorFileError, match="^bad.keras holds weights that are no numbers"):
        files.open_generator("bad.keras")
    assert os.listdir(place) == []
    assert sorted(os.listdir()) == ["bad.keras", "g.keras", "temporary"]
    place.rmdir()
    with pytest.raises(GeneratorFileError, match="^g.keras cannot be unpacked"):
        files.open_generator("g.keras")


# ---- a description, and weights beside it --------------------------------------------------------


def save_pair(ending, native):
    """Write g.json, and the weights under g + ending as a Keras of today or of before does."""
    Path("g.json").write_text(native.to_json())
    if ending == ".weights.h5":
        native.save_weights("g.weights.h5")
        return
    native.save("whole.h5")
    with h5py.File("whole.h5") as whole, h5py.File(f"g{ending}", "w") as file:
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)
        file.attrs.update(whole["model_weights"].attrs)
    os.remove("whole.h5")


@pytest.mark.parametrize("ending", ["_weights.hdf5", "_weights.h5", ".weights.h5", ".h5", ".hdf5"])
def test_pairs(ending):
    native = fill(branches())
    save_pair(ending, native)
    for name in ("g.json", f"g{ending}"):
        assert_same(name, native)
    Path("g.json").write_text(json.dumps(native.to_json()))  # a JSON text of a JSON text
    assert_same("g.json", native)


def test_a_description_beside_whole_models():
    """They have one of their own, and it is that one which is built."""
    native = fill(branches())
    native.save("g.h5")
    Path("g.json").write_text(fill(wrapped()).to_json())
    for name in ("g.json", "g.h5"):
        assert_same(name, native)
    os.remove("g.h5")
    native.save("whole.keras")
    Path("whole.keras").rename("g_weights.h5")
    assert_same("g.json", native)


def test_one_of_two(capsys):
    """The line names the other one, and how to write it."""
    native = fill(branches())
    save_pair("_weights.hdf5", native)
    Path("g.json").rename("other.json")
    line = error_of(capsys, "g_weights.hdf5")
    assert "g_weights.hdf5 holds only weights" in line and "put g.json beside it" in line
    line = error_of(capsys, "other.json")
    assert "model.save_weights('other.weights.h5')" in line
    Path("g.json").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "g.json is a Git LFS pointer" in error_of(capsys, "g_weights.hdf5")


def test_two_weights_of_one_name():
    """Keras 3.0 fails over an .h5 file of a model in a model, and leaves this."""
    inner = [layers.Input((64,)), layers.Dense(64, name="a"), layers.Dense(64, name="b")]
    nested = keras.Sequential(inner, name="nested")
    fill(keras.Sequential([layers.Input((64,)), nested, layers.Reshape((8, 8, 1))])).save("g.h5")
    with h5py.File("g.h5", "r+") as file:
        attrs = file["model_weights/nested"].attrs
        attrs["weight_names"] = [*attrs["weight_names"][:2]] * 2
    with pytest.raises(GeneratorFileError, match="layer nested share a name"):
        files.open_generator("g.h5")
