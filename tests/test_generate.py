"""Tests of generate.py and generator_files.py: files of Keras 2 and of this project, what is drawn,
and every mistake.

No Keras 2 is installed. Its files are written here with h5py, in the dialects of Keras 2.2 to
2.15, and the images must be those of the same network built in Keras 3 with the same weights.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import keras
import matplotlib.image
import numpy as np
import pytest
from keras import layers
from PIL import Image

import generate
import generator_files
import latent as points_of
import sheets

SCRIPT = Path(generate.__file__)

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    """Run each test in a folder of its own: pictures are written to the current folder.

    Files are not read in another process first, of which test_hostile.py has the tests.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generator_files, "check_readable", lambda path, changed: None)


def fill(model, seed=1):
    """Give a model small deterministic weights, positive ones where a variance must be."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        values = rng.normal(0, 0.05, variable.shape)
        variable.assign(np.abs(values) + 0.5 if "variance" in variable.path else values)
    return model


def run(*argv):
    """Call generate.py in this process; returns the arrays it wrote with --npz."""
    generate.main([str(arg) for arg in (*argv, "--npz", "run.npz")])
    with np.load("run.npz") as arrays:
        return dict(arrays)


def error_of(capsys, *argv):
    """Call generate.py with a mistake; returns its one line on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        generate.main([str(arg) for arg in argv])
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert error.value.code == 2
    assert captured.out == ""
    assert len(lines) == 1 and lines[0].startswith("generate.py: error: ")
    return lines[0]


# ---------------------------------------------------------------- the files that Keras 2 wrote

VERSIONS = ("2.2.2", "2.2.4", "2.2.4-tf", "2.4.0", "2.12.0", "2.15.0")


def initializer(version, class_name="GlorotUniform"):
    """Return the description of an initializer as a version of Keras wrote it."""
    if version in ("2.2.2", "2.2.4"):
        config = {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}
        return {"class_name": "VarianceScaling", "config": config}
    if version == "2.2.4-tf":
        return {"class_name": class_name, "config": {"seed": None, "dtype": "float32"}}
    if version == "2.15.0":
        registered = {"module": "keras.initializers", "registered_name": None}
        return {"class_name": class_name, "config": {"seed": None}, **registered}
    return {"class_name": class_name, "config": {"seed": None}}


def keras2_layer(version, class_name, name, first=None, **settings):
    """Return the description of a layer; `first` is the input shape that a first layer holds."""
    config = {"name": name, "trainable": True}
    if first:
        config["batch_input_shape"] = [None, *first]
    if first or not version.startswith("2.2"):
        policy = {"class_name": "Policy", "config": {"name": "float32"}}
        config["dtype"] = policy if version == "2.12.0" and not first else "float32"
    if class_name in ("Dense", "Conv2D", "Conv2DTranspose"):
        config |= {"activation": "linear", "use_bias": True}
        config |= {f"{x}_initializer": initializer(version) for x in ("kernel", "bias")}
        config |= {f"{x}_regularizer": None for x in ("kernel", "bias", "activity")}
        config |= {f"{x}_constraint": None for x in ("kernel", "bias")}
    if class_name.startswith("Conv"):
        config |= {"padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1]}
        config |= {} if version.startswith("2.2") else {"groups": 1}
        config |= {"output_padding": None} if class_name == "Conv2DTranspose" else {}
    if class_name == "BatchNormalization":
        config |= {"axis": [3] if "tf" in version or version > "2.3" else -1, "epsilon": 0.001}
        config |= {"center": True, "scale": True, "momentum": 0.99}
        config |= {f"{x}_initializer": initializer(version) for x in ("beta", "gamma")}
        class_name = "BatchNormalizationV1" if version == "2.2.4-tf" else class_name
    if class_name == "Embedding":
        config |= {"embeddings_initializer": initializer(version), "mask_zero": False}
        config |= {"embeddings_regularizer": None, "input_length": 1}
    if class_name == "SpatialDropout2D":
        config |= {"noise_shape": None, "seed": None}
    return {"class_name": class_name, "config": config | settings}


def keras2_input(version, name, shape, dtype="float32"):
    """Return the description of an InputLayer."""
    config = {"batch_input_shape": [None, *shape], "dtype": dtype, "sparse": False, "name": name}
    config |= {} if version.startswith("2.2") else {"ragged": False}
    return {"class_name": "InputLayer", "config": config}


def keras2_sequential(version, described):
    """Return the description of a Sequential model, whose first layer holds the input shape."""
    if version == "2.2.2":
        return {"class_name": "Sequential", "config": described}
    if not version.startswith("2.2"):
        shape = described[0]["config"]["batch_input_shape"][1:]
        described = [keras2_input(version, "dense_input", shape), *described]
    return {"class_name": "Sequential", "config": {"name": "sequential_1", "layers": described}}


def keras2_functional(version, nodes, inputs, output):
    """Return the description of a functional model.

    `nodes` are pairs of a layer's description and a list of the references to its inputs.
    """
    described = []
    for layer, references in nodes:
        calls = [[[*reference, {}] for reference in references]] if references else []
        described.append({**layer, "name": layer["config"]["name"], "inbound_nodes": calls})
    config = {"name": "model_1", "layers": described, "output_layers": [output]}
    config["input_layers"] = [[name, 0, 0] for name in inputs]
    return {"class_name": "Model" if version.startswith("2.2") else "Functional", "config": config}


def keras2_file(path, version, described, weights):
    """Write a .h5 file as Keras 2 did; `weights` is {layer: {weight: array}}, e.g. kernel:0."""
    optimizer = {"class_name": "Adam", "config": {"lr": 0.0002, "beta_1": 0.5}}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = version.encode(), b"tensorflow"
        file.attrs["model_config"] = json.dumps(described).encode()
        file.attrs["training_config"] = json.dumps({"optimizer_config": optimizer}).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, values in weights.items():
            stored = group.create_group(layer)
            stored.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in values]
            for name, value in values.items():
                stored[f"{layer}/{name}"] = value
    return path


def weights_of(model):
    """Return {layer: {weight: array}} of a native model whose layers have the names of the file."""
    return {
        layer.name: {
            "/".join(weight.path.split("/")[-2:]) + ":0": weight.numpy()
            for weight in layer.trainable_weights + layer.non_trainable_weights
        }
        for layer in model.layers
    }


def mnist_generator():
    """Build M2's generator in Keras 3."""
    return keras.Sequential(
        [
            layers.Input((100,)),
            layers.Dense(6272, name="dense_1"),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, 128)),
            layers.Conv2DTranspose(128, 4, 2, padding="same", name="conv2d_transpose_1"),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(128, 4, 2, padding="same", name="conv2d_transpose_2"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(1, 7, padding="same", activation="sigmoid", name="conv2d_1"),
        ]
    )


def keras2_mnist(version):
    """Describe M2's generator as Keras 2 did."""
    two = {"kernel_size": [4, 4], "strides": [2, 2]}
    seven = {"kernel_size": [7, 7], "strides": [1, 1], "activation": "sigmoid"}
    return [
        keras2_layer(version, "Dense", "dense_1", first=[100], units=6272),
        keras2_layer(version, "LeakyReLU", "leaky_re_lu_1", alpha=0.20000000298023224),
        keras2_layer(version, "Reshape", "reshape_1", target_shape=[7, 7, 128]),
        keras2_layer(version, "Conv2DTranspose", "conv2d_transpose_1", filters=128, **two),
        keras2_layer(version, "LeakyReLU", "leaky_re_lu_2", alpha=0.20000000298023224),
        keras2_layer(version, "Conv2DTranspose", "conv2d_transpose_2", filters=128, **two),
        keras2_layer(version, "LeakyReLU", "leaky_re_lu_3", alpha=0.20000000298023224),
        keras2_layer(version, "Conv2D", "conv2d_1", filters=1, **seven),
    ]


def cifar_generator():
    """Build M1's generator in Keras 3."""
    return keras.Sequential(
        [layers.Input((100,)), layers.Dense(4096, name="dense_1"), layers.LeakyReLU(0.2)]
        + [layers.Reshape((4, 4, 256))]
        + [
            layer
            for i in (1, 2, 3)
            for layer in (
                layers.Conv2DTranspose(128, 4, 2, padding="same", name=f"conv2d_transpose_{i}"),
                layers.LeakyReLU(0.2),
            )
        ]
        + [layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv2d_1")]
    )


def keras2_cifar(version):
    """Describe M1's generator as Keras 2 did, with a dropout that does nothing when sampling."""
    two = {"filters": 128, "kernel_size": [4, 4], "strides": [2, 2]}
    three = {"filters": 3, "kernel_size": [3, 3], "strides": [1, 1], "activation": "tanh"}
    described = [
        keras2_layer(version, "Dense", "dense_1", first=[100], units=4096),
        keras2_layer(version, "LeakyReLU", "leaky_re_lu_1", alpha=0.2),
        keras2_layer(version, "Reshape", "reshape_1", target_shape=[4, 4, 256]),
    ]
    for i in (1, 2, 3):
        described.append(keras2_layer(version, "Conv2DTranspose", f"conv2d_transpose_{i}", **two))
        described.append(keras2_layer(version, "LeakyReLU", f"leaky_re_lu_{i + 1}", alpha=0.2))
    described.append(keras2_layer(version, "SpatialDropout2D", "spatial_dropout2d_1", rate=0.3))
    return [*described, keras2_layer(version, "Conv2D", "conv2d_1", **three)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("network", ["mnist", "cifar"])
def test_keras2_sequential(network, version):
    native, described, low = {
        "mnist": (mnist_generator, keras2_mnist, 0),
        "cifar": (cifar_generator, keras2_cifar, -1),
    }[network]
    native = fill(native())
    described = keras2_sequential(version, described(version))
    keras2_file("generator.h5", version, described, weights_of(native))
    points = np.random.default_rng(0).standard_normal((4, 100)).astype("float32")
    np.save("points.npy", points)
    images = run("generator.h5", "--vector", "points.npy")["images"]
    expected = (native(points).numpy() - low) / (1 - low)
    assert images.dtype == np.float32 and expected.std() > 0.01
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)


def acgan_generator():
    """Build M3's generator in Keras 3."""
    noise, label = keras.Input((100,), name="input_2"), keras.Input((1,), name="input_1")
    x = layers.Embedding(10, 50, name="embedding_1")(label)
    x = layers.Reshape((7, 7, 1))(layers.Dense(49, name="dense_1")(x))
    y = layers.ReLU()(layers.Dense(384 * 49, name="dense_2")(noise))
    x = layers.Concatenate()([layers.Reshape((7, 7, 384))(y), x])
    x = layers.Conv2DTranspose(192, 5, 2, padding="same", name="conv2d_transpose_1")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="batch_normalization_1")(x))
    x = layers.Conv2DTranspose(1, 5, 2, padding="same", name="conv2d_transpose_2")(x)
    return keras.Model([noise, label], layers.Activation("tanh")(x))


def keras2_acgan(version, inputs):
    """Describe M3's generator as Keras 2 did; the label is declared as a float."""
    five = {"kernel_size": [5, 5], "strides": [2, 2]}
    chain = [
        (keras2_input(version, "input_1", [1]), []),
        (keras2_input(version, "input_2", [100]), []),
        (("Embedding", "embedding_1", {"input_dim": 10, "output_dim": 50}), ["input_1"]),
        (("Dense", "dense_1", {"units": 49}), ["embedding_1"]),
        (("Reshape", "reshape_1", {"target_shape": [7, 7, 1]}), ["dense_1"]),
        (("Dense", "dense_2", {"units": 384 * 49}), ["input_2"]),
        (("Activation", "activation_1", {"activation": "relu"}), ["dense_2"]),
        (("Reshape", "reshape_2", {"target_shape": [7, 7, 384]}), ["activation_1"]),
        (("Concatenate", "concatenate_1", {"axis": -1}), ["reshape_2", "reshape_1"]),
        (("Conv2DTranspose", "conv2d_transpose_1", {"filters": 192, **five}), ["concatenate_1"]),
        (("BatchNormalization", "batch_normalization_1", {}), ["conv2d_transpose_1"]),
        (("Activation", "activation_2", {"activation": "relu"}), ["batch_normalization_1"]),
        (("Conv2DTranspose", "conv2d_transpose_2", {"filters": 1, **five}), ["activation_2"]),
        (("Activation", "activation_3", {"activation": "tanh"}), ["conv2d_transpose_2"]),
    ]
    nodes = [
        (
            layer if isinstance(layer, dict) else keras2_layer(version, *layer[:2], **layer[2]),
            [[name, 0, 0] for name in names],
        )
        for layer, names in chain
    ]
    return keras2_functional(version, nodes, inputs, ["activation_3", 0, 0])


@pytest.mark.parametrize(
    "version,inputs",
    [("2.2.4", ["input_2", "input_1"]), ("2.2.4-tf", ["input_1", "input_2"])]
    + [("2.15.0", ["input_1", "input_2"])],
)
def test_keras2_conditional(version, inputs):
    native = fill(acgan_generator())
    keras2_file("g.h5", version, keras2_acgan(version, inputs), weights_of(native))
    points = np.random.default_rng(0).standard_normal((2, 100)).astype("float32")
    np.save("points.npy", points)
    arrays = run("g.h5", "--vector", "points.npy", "--labels", "7,0-1")
    assert arrays["labels"].tolist() == [7, 0, 1, 7, 0, 1]
    labels = arrays["labels"].reshape(-1, 1).astype("float32")
    expected = (native([points.repeat(3, axis=0), labels]).numpy() + 1) / 2
    np.testing.assert_allclose(arrays["images"], expected, rtol=0, atol=1e-6)


def cgan_generator(nested="sequential"):
    """Build C's generator, with its dense network as a model of its own, in Keras 3."""
    network = [layers.Input((100,), name="noise")]
    for i, units in enumerate((256, 512), 1):
        network += [layers.Dense(units, name=f"dense_{i}"), layers.LeakyReLU(0.2)]
        network += [layers.BatchNormalization(momentum=0.8, name=f"batch_normalization_{i}")]
    network += [layers.Dense(784, activation="tanh", name="dense_3"), layers.Reshape((28, 28, 1))]
    network = keras.Sequential(network, name="nested")
    noise, label = keras.Input((100,)), keras.Input((1,), dtype="int32")
    product = layers.Flatten()(layers.Embedding(10, 100, name="embedding_1")(label))
    return keras.Model([noise, label], network(layers.Multiply()([noise, product])))


@pytest.mark.parametrize("version", ["2.2.4", "2.12.0"])
@pytest.mark.parametrize("nested", ["Sequential", "Functional"])
@pytest.mark.parametrize("last", [True, False])
def test_keras2_nested(version, nested, last):
    """A model inside a model, as its last layer or before it; Keras 2 counts its calls from 1."""
    inner = []
    for i, units in enumerate((256, 512), 1):
        first = {"first": [100]} if i == 1 else {}
        inner += [keras2_layer(version, "Dense", f"dense_{i}", units=units, **first)]
        inner += [keras2_layer(version, "LeakyReLU", f"leaky_re_lu_{i}", alpha=0.2)]
        batch_norm = {"momentum": 0.8, "axis": [1] if version > "2.3" else -1}
        name = f"batch_normalization_{i}"
        inner += [keras2_layer(version, "BatchNormalization", name, **batch_norm)]
    inner += [keras2_layer(version, "Dense", "dense_3", units=784, activation="tanh")]
    inner += [keras2_layer(version, "Reshape", "reshape_1", target_shape=[28, 28, 1])]
    if nested == "Sequential":
        model = keras2_sequential(version, inner)
    else:
        inner = [keras2_input(version, "input_3", [100]), *inner]
        names = [layer["config"]["name"] for layer in inner]
        nodes = [(layer, [[names[i - 1], 0, 0]] if i else []) for i, layer in enumerate(inner)]
        model = keras2_functional(version, nodes, ["input_3"], [names[-1], 0, 0])
    model["config"]["name"] = "nested"
    multiply = keras2_layer(version, "Multiply", "multiply_1")
    embedding = {"input_dim": 10, "output_dim": 100}
    nodes = [
        (keras2_input(version, "input_1", [100]), []),
        (keras2_input(version, "input_2", [1], "int32"), []),
        (keras2_layer(version, "Embedding", "embedding_1", **embedding), [["input_2", 0, 0]]),
        (keras2_layer(version, "Flatten", "flatten_1"), [["embedding_1", 0, 0]]),
        (multiply, [["input_1", 0, 0], ["flatten_1", 0, 0]]),
        (model, [["multiply_1", 0, 0]]),
    ]
    output = ["nested", 1, 0]
    if not last:
        again = keras2_layer(version, "Reshape", "reshape_2", target_shape=[28, 28, 1])
        nodes, output = [*nodes, (again, [output])], ["reshape_2", 0, 0]
    native = fill(cgan_generator())
    described = keras2_functional(version, nodes, ["input_1", "input_2"], output)
    keras2_file("g.h5", version, described, weights_of(native))
    arrays = run("g.h5", "--vector", "0.3", "--labels", "0-9")
    points, labels = np.full((10, 100), 0.3, "float32"), np.arange(10).reshape(-1, 1)
    expected = (native([points, labels]).numpy() + 1) / 2
    np.testing.assert_allclose(arrays["images"], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("nested", ["Sequential", "Functional"])
def test_keras2_nested_twice(nested):
    """A model called on its own output: the calls must not be taken for each other."""
    dense = keras2_layer("2.4.0", "Dense", "dense_1", units=64, activation="tanh", first=[64])
    nodes = [(keras2_input("2.4.0", "input_2", [64]), []), (dense, [["input_2", 0, 0]])]
    model = keras2_functional("2.4.0", nodes, ["input_2"], ["dense_1", 0, 0])
    model = keras2_sequential("2.4.0", [dense]) if nested == "Sequential" else model
    model["config"]["name"] = "nested"
    nodes = [(keras2_input("2.4.0", "input_1", [64]), []), (model, [["input_1", 0, 0]])]
    described = keras2_functional("2.4.0", nodes, ["input_1"], ["nested", 2, 0])
    described["config"]["layers"][1]["inbound_nodes"].append([["nested", 1, 0, {}]])
    native = keras.Sequential([layers.Input((64,)), layers.Dense(64, "tanh", name="dense_1")])
    kernel, bias = (weight.numpy() for weight in fill(native).weights)
    weights = {"nested": {"dense_1/kernel:0": kernel, "dense_1/bias:0": bias}}
    keras2_file("g.h5", "2.4.0", described, weights)
    images = run("g.h5", "--vector", "0.3")["images"]
    expected = (native(native(np.full((1, 64), 0.3, "float32"))).numpy() + 1) / 2
    np.testing.assert_allclose(images.reshape(1, 64), expected, rtol=0, atol=1e-6)


def small_file(path="g.h5", change=None, weights=None):
    """Write a small Keras 2 file, 8 numbers to an 8x8 image; `change` edits its layers in place."""
    described = [
        keras2_layer("2.4.0", "Dense", "dense_1", first=[8], units=64),
        keras2_layer("2.4.0", "Reshape", "reshape_1", target_shape=[8, 8, 1]),
        keras2_layer("2.4.0", "Conv2DTranspose", "conv_1", filters=1, kernel_size=[3, 3]),
    ]
    described[2]["config"]["activation"] = "sigmoid"
    if change:
        change(described)
    shapes = {"dense_1": {"kernel:0": (8, 64), "bias:0": (64,)}}
    shapes["conv_1"] = {"kernel:0": (3, 3, 1, 1), "bias:0": (1,)}
    values = {layer: {k: np.ones(v, "f4") for k, v in x.items()} for layer, x in shapes.items()}
    return keras2_file(path, "2.4.0", keras2_sequential("2.4.0", described), weights or values)


def set_of(layer, **settings):
    """Return a `change` for small_file that sets settings of its layer number `layer`."""
    return lambda described: described[layer]["config"].update(settings)


def test_activation_layer_as_setting():
    """tf.keras stores Dense(activation=LeakyReLU(alpha=0.1)) as a layer inside a layer."""
    inner = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.1, "dtype": "float32"}}
    small_file(change=set_of(0, activation=inner))
    native = keras.Sequential(
        [layers.Input((8,)), layers.Dense(64), layers.LeakyReLU(0.1), layers.Reshape((8, 8, 1))]
        + [layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")]
    )
    for weight in native.weights:
        weight.assign(np.ones(weight.shape))
    images = run("g.h5", "--vector", "-0.5")["images"]
    expected = native(np.full((1, 8), -0.5, "float32")).numpy()
    np.testing.assert_allclose(images, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "change,part",
    [
        (set_of(2, groups=2), "groups"),
        (set_of(2, activation="hard_sigmoid"), "hard_sigmoid"),
        (set_of(0, units=65), "lacks weights"),
        (lambda x: x[1].update(class_name="Lambda"), "has a Lambda layer"),
        (lambda x: x[1].update(class_name="PixelNorm"), "not known here, PixelNorm"),
        (lambda x: x[1].update(class_name="deserialize"), "not known here, deserialize"),
        (lambda x: x[1].update(class_name="LayerNormalization", config={"axis": [1, 2]}), "axes"),
    ],
)
def test_unusable_models(capsys, change, part):
    """Nothing that would change the images is dropped, and no code of a file is run."""
    small_file(change=change)
    assert part in error_of(capsys, "g.h5")


def test_hard_sigmoid_of_keras3():
    """Keras 3 may read its own hard_sigmoid; only that of Keras 2 was another curve."""
    small_file(change=set_of(2, activation="hard_sigmoid"))
    with h5py.File("g.h5", "r+") as file:
        file.attrs["keras_version"] = "3.15.1"
    assert run("g.h5", "--vector", "0")["images"].max() == 1


def remove(name):
    """Return an edit of an open .h5 file that removes something."""
    return lambda file: file.__delitem__(name)


def unwritten(file):
    """Leave room for a weight without writing it, as a save interrupted in between does."""
    del file["model_weights/dense_1/dense_1/kernel:0"]
    file["model_weights/dense_1/dense_1"].create_dataset("kernel:0", (8, 64), "f4")


def test_generator_trained_in_bfloat16_is_sampled_in_float32():
    images = []
    for policy in ("float32", "mixed_bfloat16"):
        dense = layers.Dense(64, activation="sigmoid", dtype=policy)
        image = layers.Reshape((8, 8, 1), dtype=policy)
        fill(keras.Sequential([keras.Input((4,)), dense, image])).save("g.h5")
        images.append(run("g.h5")["images"])
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize(
    "edit,part",
    [
        (remove("model_weights"), "dense_1"),
        (remove("model_weights/conv_1"), "conv_1"),
        (remove("model_weights/dense_1/dense_1/bias:0"), "bias"),
        (lambda x: x["model_weights/conv_1"].attrs.__delitem__("weight_names"), "layer conv_1"),
        (unwritten, "layer dense_1 were never written"),
    ],
)
def test_missing_weights(capsys, edit, part):
    small_file()
    with h5py.File("g.h5", "r+") as file:
        edit(file)
    line = error_of(capsys, "g.h5")
    assert "lacks weights" in line and part in line


def test_weight_names_split_over_attributes():
    """HDF5 attributes end at 64 KB; Keras splits longer lists over numbered ones."""
    small_file()
    before = run("g.h5")["images"]
    with h5py.File("g.h5", "r+") as file:
        attrs = file["model_weights/dense_1"].attrs
        names = list(attrs["weight_names"])
        del attrs["weight_names"]
        attrs["weight_names0"], attrs["weight_names1"] = names[:1], names[1:]
    np.testing.assert_array_equal(run("g.h5")["images"], before)


def test_diverged(capsys):
    values = {"dense_1": {"kernel:0": np.full((8, 64), np.nan, "f4"), "bias:0": np.ones(64, "f4")}}
    values["conv_1"] = {"kernel:0": np.ones((3, 3, 1, 1), "f4"), "bias:0": np.ones(1, "f4")}
    small_file(weights=values)
    assert "diverged" in error_of(capsys, "g.h5")


# ------------------------------------------------------------------ the files of this project


def glass(width, n_labels=0, name="g.h5", **about):
    """Save a self-describing generator whose first pixels are its input, [-16, 16] to [0, 1].

    With `n_labels` there is a label input, and the pixel after the latent point is the label.
    """
    kernel = np.eye(width + bool(n_labels), 784, dtype="float32")
    noise = x = keras.Input((width,))
    if n_labels:
        label = keras.Input((1,), dtype="int32")
        embedding = layers.Embedding(n_labels, 1)
        x = layers.Concatenate()([noise, layers.Flatten()(embedding(label))])
        embedding.set_weights([np.arange(n_labels, dtype="float32").reshape(-1, 1)])
    dense = layers.Dense(784, use_bias=False, name="show")
    model = keras.Model(
        [noise, label] if n_labels else noise, layers.Reshape((28, 28, 1))(dense(x))
    )
    dense.set_weights([kernel])
    model.save(name)
    latent = [{"name": "noise", "size": width, "distribution": "normal"}]
    kind = "conditional" if n_labels else "unconditional"
    account = {"kind": kind, "latent": latent, "classes": n_labels, "pixel_range": [-16, 16]}
    write_account(name, account | about)
    return model


def write_account(name, about):
    """Write the attribute gan of a .h5 file; None removes it."""
    with h5py.File(name, "r+") as file:
        file.attrs["gan"] = json.dumps(about)
        if about is None:
            del file.attrs["gan"]


INFOGAN = {
    "kind": "infogan",
    "classes": 10,
    "latent": [
        {"name": "noise", "size": 62, "distribution": "normal"},
        {"name": "category", "size": 10, "distribution": "one-hot"},
        {"name": "codes", "size": 2, "distribution": "uniform"},
    ],
}


def inputs_of(arrays):
    """Return the inputs that the images of a glass generator show, (n, 784)."""
    return arrays["images"].reshape(-1, 784) * 32 - 16


def test_unconditional():
    model = glass(100)
    arrays = run("g.h5")
    points = inputs_of(arrays)[:, :100]
    assert set(arrays) == {"images", "latent", "seeds"}
    assert arrays["images"].shape == (25, 28, 28, 1) and arrays["seeds"].tolist() == [*range(1, 26)]
    np.testing.assert_allclose(points, arrays["latent"], atol=1e-5)
    assert abs(points.mean()) < 0.05 and abs(points.std() - 1) < 0.05
    expected = (model(points).numpy() + 16) / 32
    np.testing.assert_allclose(arrays["images"], expected, atol=1e-5)
    assert len(np.unique(points[:, 0])) == 25
    glass(100, pixel_range=[-1, 1])  # what lies outside is cut off
    images = run("g.h5")["images"]
    assert (images.min(), images.max()) == (0, 1)


def test_conditional_grid():
    """Ten rows of one latent point each, a column for each class, in order."""
    glass(100, 10)
    arrays = run("g.h5")
    shown = inputs_of(arrays).reshape(10, 10, 784)
    assert set(arrays) == {"images", "labels", "latent", "seeds"}
    assert arrays["labels"].tolist() == list(range(10)) * 10
    assert arrays["seeds"].tolist() == np.repeat(range(1, 11), 10).tolist()
    np.testing.assert_allclose(shown[:, :, 100], np.tile(np.arange(10), (10, 1)), atol=1e-4)
    np.testing.assert_array_equal(shown[:, :, :100], shown[:, :1, :100].repeat(10, axis=1))
    assert len(np.unique(shown[:, 0, 0])) == 10


def test_infogan_grid():
    glass(74, **INFOGAN)
    arrays = run("g.h5")
    shown = inputs_of(arrays)[:, :74].reshape(10, 10, 74)
    assert arrays["labels"].tolist() == list(range(10)) * 10
    np.testing.assert_allclose(shown[:, :, 62:72], np.tile(np.eye(10), (10, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(shown[:, :, 72:].reshape(100, 2), arrays["codes"], atol=1e-5)
    assert arrays["codes"].dtype == np.float32
    assert -1 <= arrays["codes"].min() < -0.7 and 0.7 < arrays["codes"].max() <= 1
    np.testing.assert_array_equal(shown[:, :1, :62].repeat(10, axis=1), shown[:, :, :62])


def test_labels():
    glass(4, 10)
    arrays = run("g.h5", "--labels", "2,5-6")
    assert arrays["labels"].tolist() == [2, 5, 6] * 10
    np.testing.assert_allclose(inputs_of(arrays)[:, 4], arrays["labels"], atol=1e-4)
    arrays = run("g.h5", "--labels", "2,5-6", "--grid", "2x4")  # the columns go through the labels
    assert arrays["labels"].tolist() == [2, 5, 6, 2] * 2
    arrays = run("g.h5", "--labels", "3", "--count", "300")  # each image has a point of its own
    assert arrays["labels"].tolist() == [3] * 300
    assert len(np.unique(inputs_of(arrays)[:, 0])) == 300


def test_twenty_columns():
    """More classes than that are drawn when they are asked for, and by --count."""
    glass(4, 26)
    assert run("g.h5")["labels"].tolist() == [*range(20)] * 10
    assert run("g.h5", "--labels", "0-25")["labels"].tolist() == [*range(26)] * 10
    assert run("g.h5", "--grid", "2x26")["labels"].tolist() == [*range(26)] * 2
    assert run("g.h5", "--count", "30")["labels"].tolist() == [*range(26), 0, 1, 2, 3]
    assert matplotlib.image.imread("g_seed1.png").shape[1] == 26 * (2 * 28 + 2) + 2


ANIMALS = ["cat", "polar bear", "0-1", "t-shirt", "1"]


@pytest.mark.parametrize(
    "text,names,classes",
    [
        ("cat", ANIMALS, [0]),
        ("t-shirt, polar bear,cat", ANIMALS, [3, 1, 0]),
        ("0-1", ANIMALS, [2]),  # the name, not the two numbers
        ("1", ANIMALS, [4]),
        ("0,2-4,cat", ANIMALS, [0, 2, 3, 4, 0]),
        ("3", ["3", "7"], [0]),
        ("7,0-1", ["3", "7"], [1, 0, 1]),
        (" x", ["x", " x"], [1]),
        ("0,2-4", [], [0, 2, 3, 4]),
    ],
)
def test_names_and_numbers(text, names, classes):
    assert generate.find_classes(text, names) == classes


@pytest.mark.parametrize(
    "text,names,part",
    [
        (
            "dog",
            ANIMALS,
            "no class 'dog': classes 0 to 4 are 'cat', 'polar bear', '0-1', 't-shirt', '1'",
        ),
        ("cat,5", ANIMALS, "no class '5'"),
        ("3-5", ANIMALS, "no class '3-5'"),
        ("cat,", ANIMALS, "no class ''"),
        ("4-2", ANIMALS, "no class '4-2'"),
        ("5", ["3", "7"], "no class '5': classes 0 to 1 are '3', '7'"),
        ("dog", [f"class {k}" for k in range(345)], "'class 19' and 325 more"),
        ("dog", ["\x1b[2J", "x" * 999], f"'\\x1b[2J', '{'x' * 40}'"),
        ("dog", [], "'dog' is no list of classes such as 3 or 0,2,5-7"),
    ],
)
def test_unknown_names(capsys, text, names, part):
    with pytest.raises(SystemExit, match="2"):
        generate.find_classes(text, names)
    line = capsys.readouterr().err
    assert part in line and len(line) < 500


def test_class_names():
    """They choose columns, name the folders, and stand in the .npz file."""
    glass(4, 5, class_names=ANIMALS)
    arrays = run("g.h5", "--labels", "t-shirt,0,1", "--count", "4", "--images", "data")
    assert arrays["labels"].tolist() == [3, 0, 4, 3]
    assert np.issubdtype(arrays["labels"].dtype, np.integer)
    np.testing.assert_allclose(inputs_of(arrays)[:, 4], [3, 0, 4, 3], atol=1e-4)
    assert arrays["class_names"].tolist() == ANIMALS and arrays["class_names"].dtype.kind == "U"
    names = sorted(str(path.relative_to("data")) for path in Path("data").rglob("*.png"))
    files = ["1/image_00000", "cat/image_00000", "t-shirt/image_00000", "t-shirt/image_00001"]
    assert names == [f"{file}.png" for file in files]
    image = keras.utils.load_img("data/t-shirt/image_00001.png", color_mode="grayscale")
    np.testing.assert_array_equal(image, np.rint(arrays["images"][3, :, :, 0] * 255))


@pytest.mark.parametrize(
    "names,folders",
    [
        (["../x", "cat"], ["0__x", "1_cat"]),
        (["a/b", "a\\b"], ["0_a_b", "1_a_b"]),
        (["/dev/null/x", ".."], ["0__dev_null_x", "1_"]),
        ([".", "cat"], ["0_", "1_cat"]),
        (["", "cat"], ["0_", "1_cat"]),
        (["Cat", "cat"], ["0_Cat", "1_cat"]),  # one folder on many file systems
        (["\0", "x" * 300], ["0__", "1_" + "x" * 60]),
        (["vélo", "v1.5 (b)"], ["vélo", "v1.5 (b)"]),
    ],
)
def test_names_stay_in_the_folder(names, folders):
    """Names are data of a file from anywhere: none may lead to another place, nor to one place."""
    glass(4, 2, class_names=names)
    Path("deep").mkdir()
    generate.main(["g.h5", "--count", "2", "--images", "deep/data", "--out", "p.png"])
    written = sorted(str(path) for path in Path().rglob("*.png"))
    assert written == sorted(["p.png", *(f"deep/data/{x}/image_00000.png" for x in folders)])


def test_labels_without_classes(capsys):
    glass(4)
    run("g.h5", "--labels", "3")
    assert capsys.readouterr().err == (
        "generate.py: warning: --labels is ignored: this generator has no classes\n"
    )


def test_vector_number(capsys):
    glass(4, name="plain.h5")
    arrays = run("plain.h5", "--vector", "-0.5")
    assert capsys.readouterr().out.startswith("1 image in plain_vector.png")
    assert arrays["images"].shape == (1, 28, 28, 1)
    np.testing.assert_allclose(inputs_of(arrays)[0, :5], [-0.5] * 4 + [0], atol=1e-5)
    glass(4, 10, name="classes.h5")
    arrays = run("classes.h5", "--vector", "0.75")
    np.testing.assert_allclose(inputs_of(arrays)[:, :5], [[0.75] * 4 + [0]], atol=1e-5)
    arrays = run("classes.h5", "--vector", "0.75", "--labels", "0-9")
    np.testing.assert_allclose(inputs_of(arrays)[:, 4], range(10), atol=1e-4)
    uniform = [{"name": "noise", "size": 4, "distribution": "uniform"}]
    glass(4, name="uniform.h5", latent=uniform)
    arrays = run("uniform.h5", "--vector", "0.75")
    np.testing.assert_allclose(inputs_of(arrays)[:, :5], [[0.75] * 4 + [0]], atol=1e-5)
    assert set(arrays) == {"images", "latent"}  # codes are those of InfoGAN
    glass(74, name="info.h5", **INFOGAN)
    arrays = run("info.h5", "--vector", "2", "--labels", "3")
    expected = np.r_[np.full(62, 2), np.eye(10)[3], 0, 0]
    np.testing.assert_allclose(inputs_of(arrays)[0, :74], expected, atol=1e-5)


def test_vector_file(capsys):
    points = np.random.default_rng(0).uniform(-1, 1, (3, 74)).astype("float32")
    points[:, 62:72] = np.eye(10)[[4, 0, 9]]
    np.save("all.npy", points)
    np.save("noise.npy", points[:, :62])
    np.save("one.npy", points[0, :62])
    glass(74, **INFOGAN)
    arrays = run("g.h5", "--vector", "all.npy")
    np.testing.assert_allclose(inputs_of(arrays)[:, :74], points, atol=1e-5)
    assert arrays["labels"].tolist() == [4, 0, 9]
    np.testing.assert_array_equal(arrays["codes"], points[:, 72:])
    arrays = run("g.h5", "--vector", "noise.npy", "--labels", "1,8")
    assert arrays["labels"].tolist() == [1, 8] * 3
    expected = np.c_[points[:, :62].repeat(2, axis=0), np.eye(10)[[1, 8] * 3], np.zeros((6, 2))]
    np.testing.assert_allclose(inputs_of(arrays)[:, :74], expected, atol=1e-5)
    assert len(run("g.h5", "--vector", "one.npy")["images"]) == 1
    np.save("wide.npy", points[:, :70])
    assert "70 coordinates, the generator's 62 or 74" in error_of(
        capsys, "g.h5", "--vector", "wide.npy"
    )


@pytest.mark.parametrize("about", [{}, INFOGAN])
def test_seed(about):
    """The same seed gives the same images, and a smaller run the first ones of a larger one."""
    glass(74, **about)
    first = run("g.h5", "--count", "20")["images"]
    np.testing.assert_array_equal(run("g.h5", "--count", "20", "--seed", "1")["images"], first)
    np.testing.assert_array_equal(run("g.h5", "--count", "600")["images"][:20], first)
    assert (run("g.h5", "--count", "20", "--seed", "2")["images"] != first).mean() > 0.05
    many = inputs_of(run("g.h5", "--count", "600"))[:, :62]
    assert len(np.unique(many[:, 0])) == 600  # no batch repeats another


def pixels(path):
    """Return the pixels of a picture, and the texts in it."""
    with Image.open(path) as picture:
        return np.asarray(picture), picture.text


def test_seeds():
    """A seed's image is the same alone, in a sheet, in a folder and whatever else is drawn."""
    fill(mnist_generator()).save("g.h5")
    sheet = run("g.h5", "--seeds", "40-44,7,3", "--grid", "2x4", "--out", "sheet.png")
    assert sheet["seeds"].tolist() == [40, 41, 42, 43, 44, 7, 3]
    alone = run("g.h5", "--seeds", "7")
    assert Path("g_seeds7.png").exists()
    np.testing.assert_array_equal(alone["latent"][0], sheet["latent"][5])
    np.testing.assert_allclose(alone["images"][0], sheet["images"][5], atol=1e-6)
    whole, one = pixels("sheet.png")[0], pixels("g_seeds7.png")[0]
    cell = whole[2 + 282 : 284 + 280 : 10, 2 + 282 : 284 + 280 : 10]
    np.testing.assert_array_equal(cell, one[2:282:10, 2:282:10])
    counted = run("g.h5", "--seed", "5", "--count", "300", "--images", "data")  # seeds 5 to 304
    np.testing.assert_allclose(counted["images"][2], sheet["images"][5], atol=1e-6)
    image, text = pixels("data/image_00002.png")
    np.testing.assert_array_equal(image, 255 - cell)
    assert text["Seeds"] == "7" and text["Command"].startswith("python generate.py g.h5 --seed 5")
    text = pixels("sheet.png")[1]
    assert text["Seeds"] == "40-44,7,3" and len(text["Model SHA-256"]) == 64
    latent = np.random.RandomState(7).standard_normal(100)  # as StyleGAN's gen_images.py draws it
    np.testing.assert_allclose(alone["latent"][0], latent, atol=1e-6)


def test_truncate():
    glass(74, **INFOGAN)
    full = run("g.h5", "--seeds", "3")["latent"]
    half = run("g.h5", "--seeds", "3", "--truncate", "0.5")["latent"]
    np.testing.assert_allclose(half[:, :62], full[:, :62] / 2)
    np.testing.assert_array_equal(half[:, 62:], full[:, 62:])


def test_interpolation():
    """Both ends are the seeds' points; half-way noise is as long, and codes go straight."""
    glass(74, **INFOGAN)
    ends = run("g.h5", "--seeds", "3,7,12", "--labels", "4")["latent"]
    way = run("g.h5", "--interpolate", "3,7,12", "--steps", "6", "--labels", "4")
    assert "seeds" not in way and Path("g_walk3,7,12_4.png").exists()
    np.testing.assert_allclose(way["latent"][[0, 6, 12]], ends, atol=1e-6)
    np.testing.assert_array_equal(way["latent"][:, 66], 1)
    lengths = np.linalg.norm(way["latent"][:, :62], axis=1)
    assert lengths.min() > 0.95 * np.linalg.norm(ends[:, :62], axis=1).min()
    np.testing.assert_allclose(way["latent"][3, 72:], ends[:2, 72:].mean(0), atol=1e-6)
    uniform = [{"name": "noise", "size": 4, "distribution": "uniform"}]
    glass(4, latent=uniform)
    way = run("g.h5", "--interpolate", "3,7", "--steps", "4")["latent"]
    np.testing.assert_allclose(way, np.linspace(way[0], way[4], 5), atol=1e-6)


def test_animation():
    glass(4, 10)
    arrays = run("g.h5", "--interpolate", "3,7", "--steps", "5", "--out", "walk.gif")
    assert arrays["labels"].tolist() == [*range(10)] * 10  # all classes on each of ten frames
    latent = arrays["latent"][::10]
    np.testing.assert_allclose(latent[6], latent[4], atol=1e-6)  # there and back
    with Image.open("walk.gif") as film:
        assert film.n_frames == 10 and film.info["loop"] == 0
        assert film.info["duration"] == generate.FRAME


def test_arithmetic():
    glass(4)
    points = run("g.h5", "--arithmetic", "0+1-2")["latent"]
    np.testing.assert_array_equal(points[:3], run("g.h5", "--seeds", "0-2")["latent"])
    np.testing.assert_allclose(points[3], points[0] + points[1] - points[2], atol=1e-6)
    assert pixels("g_0+1-2.png")[0].shape == (284, 4 * 282 + 2)


def test_text():
    """A number in one style: one latent point, a class a letter."""
    glass(4, 10)
    arrays = run("g.h5", "--text", "31415")
    assert arrays["labels"].tolist() == [3, 1, 4, 1, 5] and len(np.unique(arrays["seeds"])) == 1
    assert pixels("g_seed1_31415.png")[0].shape == (284, 5 * 282 + 2)
    same = run("g.h5", "--labels", "3,1,4,1,5", "--grid", "2x5", "--out", "same.png")
    assert pixels("same.png")[1]["Seeds"] == "1-2"  # not once for each of the ten images
    np.testing.assert_array_equal(same["images"][:5], arrays["images"])
    glass(4, 3, class_names=["c", "a", "b"])
    assert run("g.h5", "--text", "bac2")["labels"].tolist() == [2, 1, 0, 2]


def test_codes():
    """One noise; a row a category or a value of the first code, the last code across."""
    glass(74, map=[9, *range(9)], **INFOGAN)
    arrays = run("g.h5", "--category", "3", "--code1", "-2:2:10", "--code2", "0")
    points, ramp = arrays["latent"], np.linspace(-2, 2, 10)
    np.testing.assert_allclose(points[:, 72:], np.c_[ramp, np.zeros(10)], atol=1e-6)
    np.testing.assert_array_equal(points[:, 65], 1)
    assert (points[:, :62] == points[0, :62]).all() and set(arrays["labels"]) == {2}  # its meaning
    sheet = pixels("g_seed1_category3_code1_-2to2_code2_0.png")[0]
    assert sheet.shape[1] > 6 * sheet.shape[0]
    points = run("g.h5", "--labels", "9", "--code1=-1:1:3", "--code2", "0:1:2")["latent"]
    expected = [[a, b] for a in (-1, 0, 1) for b in (0, 1)]
    np.testing.assert_allclose(points[:, 72:], expected, atol=1e-6)
    np.testing.assert_array_equal(points[:, 62], 1)  # category 0 means 9
    arrays = run("g.h5", "--code1", "-1:1:3")  # a row a class
    assert arrays["labels"].tolist() == np.repeat(range(10), 3).tolist()
    assert len(np.unique(arrays["latent"][:, 73])) == 1  # the other code as the seed drew it


def test_flags_without_effect(capsys):
    """They get a warning; one that asks for what is not there ends in one line."""
    glass(4)
    flags = ["--labels", "3"], ["--text", "3"], ["--category", "3"], ["--code1", "1"]
    for flag in (*flags, ["--code2", "0:1:3"], ["--steps", "3"]):
        run("g.h5", *flag)
        error = capsys.readouterr().err
        assert error.startswith(f"generate.py: warning: {flag[0]} is ignored: ")
        assert error.count("\n") == 1
    assert "of no run of these scripts" in error_of(capsys, "g.h5", "--cell", "3,7")
    assert "no window can be opened" in error_of(capsys, "g.h5", "--explore")
    glass(74, **INFOGAN)
    assert "generator are 0 to 9" in error_of(capsys, "g.h5", "--category", "10")


def test_window(monkeypatch):
    """Sliders and arrow keys change what the window shows; its events are Matplotlib's own."""
    import matplotlib.pyplot as plt
    from matplotlib.backend_bases import KeyEvent, MouseEvent

    glass(74, **INFOGAN, class_names=list("abcdefghij"))
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    seen = {}

    def drive():
        figure = plt.gcf()
        *bars, main = figure.axes
        shown = main.images[0]

        def point():
            return np.asarray(shown.get_array()).reshape(-1)[:74] * 32 - 16

        def click(axes, share):
            x, y = axes.transAxes.transform((share, 0.5))
            for name in ("button_press_event", "button_release_event"):
                MouseEvent(name, figure.canvas, x, y, button=1)._process()

        def press(key):
            KeyEvent("key_press_event", figure.canvas, key)._process()

        names = [axes.texts[0].get_text() for axes in bars]
        assert names == ["seed", "to seed", "walk", "class", "code1", "code2"]
        seen["first"] = point()
        press("right")
        seen["second"], seen["title"] = point(), main.get_title()
        press("left")
        press("up")
        seen["class"] = point()
        click(bars[4], 0.75)
        seen["code"] = point()
        click(bars[2], 1.0)
        seen["walked"] = point()
        plt.close(figure)

    monkeypatch.setattr(plt, "show", drive)
    generate.main(["g.h5", "--explore", "--seed", "3"])
    ends = run("g.h5", "--seeds", "3,4")["latent"][::10, :62]
    np.testing.assert_allclose(seen["first"][:62], ends[0], atol=1e-4)
    np.testing.assert_allclose(seen["second"][:62], ends[1], atol=1e-4)
    np.testing.assert_allclose(seen["walked"][:62], ends[1], atol=1e-4)
    assert seen["title"] == "seed 4, class a"
    assert seen["first"][62:72].argmax() == 0 and seen["class"][62:72].argmax() == 1
    np.testing.assert_allclose(seen["code"][72:], [1, 0], atol=0.05)


def test_images(capsys):
    """Files hold the pixels as the generator made them, white on black, and lie by class."""
    glass(4, 12)
    capsys.readouterr()
    arrays = run("g.h5", "--count", "27", "--images", "data", "--labels", "0-2,11", "--grid", "3x3")
    assert capsys.readouterr().out == (
        "9 images in g_seed1_0-2,11.png, 27 images in data, 27 images in run.npz\n"
    )
    names = sorted(str(path.relative_to("data")) for path in Path("data").rglob("*.png"))
    counts = {"00": 7, "01": 7, "02": 7, "11": 6}
    assert names == [f"{k}/image_{i:05d}.png" for k, n in counts.items() for i in range(n)]
    image = keras.utils.load_img("data/11/image_00001.png", color_mode="grayscale")
    assert keras.utils.load_img("data/11/image_00001.png").size == (28, 28)
    expected = np.rint(arrays["images"][7, :, :, 0] * 255)
    np.testing.assert_array_equal(np.asarray(image), expected)
    assert "not an empty folder" in error_of(capsys, "g.h5", "--count", "3", "--images", "data")


def test_colour_images():
    keras2_file(
        "g.h5",
        "2.4.0",
        keras2_sequential("2.4.0", keras2_cifar("2.4.0")),
        weights_of(fill(cifar_generator())),
    )
    Path("data").mkdir()  # an empty folder may be there
    arrays = run("g.h5", "--count", "3", "--images", "data")
    image = np.asarray(keras.utils.load_img("data/image_00002.png"))
    np.testing.assert_array_equal(image, np.rint(arrays["images"][2] * 255))
    picture = matplotlib.image.imread("g_seed1.png")  # 3 images in a row of 5 places
    scale = 10
    assert picture.shape == (32 * scale + 4, 5 * (32 * scale + 2) + 2, 3)
    left = 2 + 2 * (32 * scale + 2)
    cell = picture[2 : 2 + 32 * scale : scale, left : left + 32 * scale : scale]
    np.testing.assert_allclose(cell, arrays["images"][2], atol=1 / 255)
    assert (picture[:2] == 1).all() and (picture[:, left + 32 * scale :] == 1).all()


def test_grey_picture():
    """Digits are dark on white, as in the tutorials."""
    glass(100)
    images = run("g.h5", "--grid", "2x3", "--out", "new.png")["images"]
    picture = matplotlib.image.imread("new.png")
    scale = 10
    assert picture.shape == (2 * (28 * scale + 2) + 2, 3 * (28 * scale + 2) + 2)
    cells = picture[2:, 2:].reshape(2, 28 * scale + 2, 3, 28 * scale + 2).swapaxes(1, 2)
    cells = cells.reshape(6, 28 * scale + 2, 28 * scale + 2)[:, : 28 * scale, : 28 * scale]
    np.testing.assert_allclose(cells[:, ::scale, ::scale], 1 - images[..., 0], atol=1 / 128)
    np.testing.assert_array_equal(cells[:, ::scale, ::scale], cells[:, 9::scale, 9::scale])
    assert (picture[:2] == 1).all() and (picture[:, :2] == 1).all()


def test_failed_run_keeps_files(monkeypatch, capsys):
    glass(4)
    before = {"g_seed1.png": "the picture before", "run.npz": "the arrays before"}
    for name, text in before.items():
        Path(name).write_text(text)

    def full_disk(path, data):
        path.write_text("half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert "No space left" in error_of(capsys, "g.h5", "--npz", "run.npz")
    assert {name: Path(name).read_text() for name in before} == before
    assert sorted(os.listdir()) == ["g.h5", *before]


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="tells the peak of memory")
def test_memory_does_not_grow():
    """20,000 images, 63 MB in the .npz file, take hardly more memory than 500 before them."""
    glass(100, 10)
    code = """if True:
        import generate
        for count in ("500", "20000"):
            generate.main(["g.h5", "--count", count, "--npz", f"{count}.npz"])
            print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM:")))
    """
    env = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    peaks = [int(peak) / 1000 for peak in re.findall(r"VmHWM:\s+(\d+)", result.stdout)]  # MB
    assert len(peaks) == 2 and peaks[1] - peaks[0] < 25
    few, many = (dict(np.load(f"{count}.npz")) for count in (500, 20000))
    assert many["images"].shape == (20000, 28, 28, 1) and many["images"].dtype == np.float32
    assert np.isfinite(many["images"]).all()
    assert 0 <= many["images"].min() < many["images"].max() <= 1
    assert many["labels"].tolist() == [*range(10)] * 2000
    for key in ("images", "labels"):
        np.testing.assert_array_equal(few[key], many[key][:500])


def latent(*sizes, distribution="normal", **about):
    """Return a description whose latent input has parts of these sizes and one distribution."""
    parts = [{"name": "noise", "distribution": distribution, "size": size} for size in sizes]
    return {"latent": parts} | about


@pytest.mark.parametrize(
    "n_labels,about",
    [(0, x) for x in ({"kind": "other"}, {"latent": []}, {"classes": 10}, INFOGAN)]
    + [(0, {"latent": [{"size": 4}]}), (0, {"kind": "conditional", "classes": 10})]
    + [(0, latent(*sizes)) for sizes in ([4.0], [-4, 8], ["4"], [5])]
    + [(0, latent(4, distribution=x)) for x in ("one-hot", "poisson", ["normal"])]
    + [(0, latent(4, distribution="one-hot", kind="infogan", classes=3))]
    + [(0, {"pixel_range": x}) for x in ([1, 0], ["a", "b"], [0, float("inf")], [0])]
    + [(2, {"classes": x}) for x in (2.5, "2", 0, True)]
    + [(2, {"class_names": x}) for x in ("ab", ["a"], ["a", "a"], ["a", 1], list("abc"), None)]
    + [(2, {"class_names": {"a": 0, "b": 1}})],
)
def test_description_that_does_not_fit(capsys, n_labels, about):
    glass(4, n_labels, **about)
    assert "does not fit its model" in error_of(capsys, "g.h5")


@pytest.mark.parametrize("number", [7, 0, -1, "1", 1.0, True, None])
def test_other_formats(capsys, number):
    """The number comes before all else: what it stands for is not known here."""
    glass(4, format=number, kind="diffusion")
    line = error_of(capsys, "g.h5")
    assert f"g.h5 was written by a newer version of the scripts (format {number}): update" in line


def test_open_generator():
    """What a file says of itself is returned whole, with the names that older files lack."""
    model = glass(4, 2)
    latent = [{"name": "noise", "size": 4, "distribution": "normal"}]
    used = {"kind": "conditional", "latent": latent, "classes": 2, "class_names": ["3", "7"]}
    told = {"format": 1, "pixel_range": [-16, 16], **used, "script": "cgan_mnist.py", "seed": 1}
    told |= {"epoch": 50, "averaged": False, "settings": {"batch_size": 64}, "versions": {}}
    told |= {"data": {"name": "digits.npz", "n_images": 9, "sha256": "0"}, "more": [1]}
    older = {key: value for key, value in told.items() if key not in ("format", "class_names")}
    for written, expected in ((told, told), (older, older | {"class_names": []})):
        write_account("g.h5", written)
        assert generator_files.read_description("g.h5") == expected
        opened, about = generator_files.open_generator(Path("g.h5"))
        assert about == expected
        points, labels = np.ones((2, 4), "float32"), np.array([[0], [1]])
        np.testing.assert_array_equal(opened([points, labels]), model([points, labels]))
    write_account("g.h5", None)
    assert generator_files.read_description("g.h5") is None
    assert generator_files.open_generator("g.h5")[1] == {
        **{key: told[key] for key in ("format", "kind", "latent", "classes")},
        "class_names": [],
        "pixel_range": None,
    }
    small_file("bad.h5", change=set_of(2, strides="many\nlines"))
    with pytest.raises(generator_files.GeneratorFileError, match="cannot rebuild") as error:
        generator_files.open_generator("bad.h5")
    assert "\n" not in str(error.value)


# ------------------------------------------------------------ the files of other tutorials


def shaped(*added, inputs=((100,),), dtypes=("float32",)):
    """Build a model of inputs, a Dense of 784 on all of them, and the layers `added`."""
    inputs = [keras.Input(s, dtype=d) for s, d in zip(inputs, dtypes, strict=True)]
    flat = [layers.Flatten()(x) for x in inputs]
    x = layers.Dense(784)(layers.Concatenate()(flat) if len(flat) > 1 else flat[0])
    for layer in added:
        x = layer(x)
    return keras.Model(inputs, x)


IMAGE = (layers.Reshape((28, 28, 1)),)
FLOATS = {"dtypes": ("float32", "float32")}


@pytest.mark.parametrize(
    "model,positions,classes,pixel_range,shape",
    [
        (shaped(layers.Activation("tanh"), *IMAGE), (0, None), 0, (-1, 1), (28, 28, 1)),
        (shaped(layers.Activation("sigmoid")), (0, None), 0, (0, 1), (28, 28, 1)),
        (shaped(layers.Dense(3072, "tanh")), (0, None), 0, (-1, 1), (32, 32, 3)),
        (shaped(layers.Dense(1024, "relu")), (0, None), 0, None, (32, 32, 1)),
        (shaped(layers.Reshape((28, 28))), (0, None), 0, None, (28, 28, 1)),
        (shaped(*IMAGE, inputs=((1, 1, 100),)), (0, None), 0, None, (28, 28, 1)),
        (
            shaped(keras.Sequential([layers.Dense(784, "tanh"), layers.Reshape((28, 28, 1))])),
            (0, None),
            0,
            (-1, 1),
            (28, 28, 1),
        ),
        (shaped(inputs=((1,), (100,)), **FLOATS), (1, 0), 10, None, (28, 28, 1)),
        (shaped(inputs=((100,), ()), dtypes=("float32", "int64")), (0, 1), 10, None, (28, 28, 1)),
    ],
)
def test_foreign(model, positions, classes, pixel_range, shape):
    model.save("g.h5")
    assert generator_files.find_inputs(model) == positions
    about = generator_files.describe(model)
    assert (about["classes"], about["pixel_range"]) == (classes, pixel_range)
    arrays = run("g.h5")
    assert arrays["images"].shape[1:] == shape
    assert ("labels" in arrays) == (positions[1] is not None)


def test_foreign_classes(capsys):
    """The number of classes is that of the Embedding."""
    model = glass(4, 7)
    write_account("g.h5", None)
    assert generator_files.describe(model)["classes"] == 7
    assert "classes of this generator are 0 to 6" in error_of(capsys, "g.h5", "--labels", "5-7")


@pytest.mark.parametrize("scale,guess", [(0.0, "0 to 1"), (-1.0, "-1 to 1")])
def test_guessed_range(capsys, scale, guess):
    glass(4)
    write_account("g.h5", None)
    with h5py.File("g.h5", "r+") as file:
        file["model_weights/show/show/kernel"][:] = np.full((4, 784), scale)
    error_name = "generate.py: warning: the range of the pixels is guessed: "
    generate.main(["g.h5"])
    assert capsys.readouterr().err == f"{error_name}{guess}\n"


@pytest.mark.parametrize(
    "model",
    [
        keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(1)]),
        keras.Sequential([layers.Input((32, 32, 3)), layers.Conv2D(3, 3, padding="same")]),
        keras.Sequential([layers.Input((100,)), layers.Dense(10)]),
        keras.Sequential([layers.Input((100,)), layers.Dense(49)]),
        keras.Sequential([layers.Input((None, 8)), layers.Dense(784)]),
        shaped(inputs=((100,), (10,)), **FLOATS),
        shaped(inputs=((1,), (1,)), **FLOATS),
        shaped(inputs=((9,), (1,), (1,)), dtypes=("float32",) * 3),
        shaped(inputs=((9,),), dtypes=("int32",)),
    ],
)
def test_not_a_generator(capsys, model):
    model.save("g.h5")
    assert "not a generator of images" in error_of(capsys, "g.h5")


# ------------------------------------------------------------------------- the command line

MISTAKES = {
    "none.h5": "cannot read none.h5 (No such file or directory)",
    "folder": "folder holds no snapshot",
    "picture.h5": "no HDF5 file",
    "truncated.h5": "damaged or incomplete",
    "weights.h5": "only weights",
    "notjson.h5": "damaged or incomplete",
    "notext.h5": "damaged or incomplete",
    "g.h5 --grid 0x5": "'0x5' is not ROWSxCOLUMNS",
    "g.h5 --grid axb": "'axb' is not ROWSxCOLUMNS",
    "g.h5 --grid 5x500": "'5x500' is not ROWSxCOLUMNS",
    "g.h5 --labels 3-": "'3-' is no list of classes",
    "g.h5 --labels 9-0": "'9-0' is no list of classes",
    "g.h5 --labels dog": "'dog' is no list of classes",
    "g.h5 --labels=": "'' is no list of classes",
    "named.h5 --labels dog": "no class 'dog': classes 0 to 1 are '3', '7'",
    "newer.h5": "newer version of the scripts (format 7)",
    "newer_weights.h5": "newer version of the scripts (format 7)",
    "g.h5 --vector none.npy": "'none.npy' is neither a number nor a .npy file",
    "g.h5 --vector picture.h5": "'picture.h5' is neither a number nor a .npy file",
    "g.h5 --vector cube.npy": "holds no finite points",
    "g.h5 --vector nan": "holds no finite points",
    "g.h5 --vector": "expected one argument",
    "g.h5 --seed -1": "'-1' is no number from 0",
    "g.h5 --seed x": "'x' is no number",
    "g.h5 --count 0 --npz a.npz": "'0' is no number from 1",
    "g.h5 --seeds 3-1": "names 0 seeds",
    "g.h5 --seeds 1,x": "no list of seeds",
    "g.h5 --cell 3x7": "not ROW,COLUMN",
    "g.h5 --interpolate 3": "needs two seeds",
    "g.h5 --interpolate 3,4 --steps 0": "no number from 1",
    "g.h5 --arithmetic 0+": "adds and takes away no seeds",
    "g.h5 --arithmetic 0+1 --seeds 3": "not allowed with argument",
    "g.h5 --truncate 1.5": "no number from 0 to 1",
    "g.h5 --out walk.gif": "an animation needs --interpolate",
    "info.h5 --code1 2:1": "neither a number nor FROM:TO:COUNT",
    "info.h5 --code1 -1:1:3 --count 9 --npz a.npz": "takes one value of a code",
    "named.h5 --text 38": "no class '8'",
    "g.h5 --count 9": "--count needs --images DIR or --npz",
    "g.h5 --images new": "--images needs --count",
    "g.h5 --count 9 --images picture.h5": "not an empty folder",
    "g.h5 --count 9 --images none/new": "cannot write to the folder none",
    "g.h5 --count 9 --npz a.npz --vector 0": "not allowed with argument",
    "g.h5 --out none/a.png": "cannot write to the folder none",
    "g.h5 --out g.h5": "must end in .png",
    "g.h5 --npz g.h5": "must end in .npz",
    "g.h5 --out dir.png": "is a folder",
    "": "required: MODEL.h5",
    "g.h5 g.h5": "unrecognized arguments: g.h5",
}


def test_mistakes(capsys):
    """Each ends in one line, and before TensorFlow starts: a mistyped name costs no seconds."""
    small_file()
    shutil.copy("g.h5", "weights.h5")
    shutil.copy("g.h5", "notjson.h5")
    shutil.copy("g.h5", "notext.h5")
    with h5py.File("weights.h5", "r+") as file:
        del file.attrs["model_config"]
    with h5py.File("notjson.h5", "r+") as file:
        file.attrs["model_config"] = "{"
    with h5py.File("notext.h5", "r+") as file:
        file.attrs["gan"] = 1.0
    for name in ("named", "newer", "newer_weights"):
        shutil.copy("weights.h5" if name == "newer_weights" else "g.h5", f"{name}.h5")
        about = {"kind": "conditional", "classes": 2, "class_names": ["3", "7"], "latent": []}
        about |= {"pixel_range": [0, 1]} if name == "named" else {"format": 7}
        write_account(f"{name}.h5", about)
    Path("truncated.h5").write_bytes(Path("g.h5").read_bytes()[:3000])
    np.save("cube.npy", np.zeros((2, 2, 8)))
    matplotlib.image.imsave("picture.h5", np.zeros((8, 8)), format="png")
    Path("folder").mkdir()
    Path("dir.png").mkdir()
    before = sorted(os.listdir())
    for command, part in MISTAKES.items():
        assert part in error_of(capsys, *command.split()), command
    code = f"""if True:
        import sys, generate
        for command in {list(MISTAKES)!r} + ["--help"]:
            try:
                generate.main(command.split())
            except SystemExit as error:
                assert error.code == (0 if command == "--help" else 2), command
        assert not {{"keras", "tensorflow", "matplotlib"}} & set(sys.modules)
    """
    env = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr
    assert len(result.stderr.splitlines()) == len(MISTAKES)
    assert sorted(os.listdir()) == before


def test_program():
    """As a program it is quiet but for one line; test_hostile.py has those of what is wrong."""
    small_file()
    command = [sys.executable, str(SCRIPT), "g.h5"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "25 images in g_seed1.png\n"


def alone(*argv):
    """Run the generate.py of the current folder with nothing of this project in reach."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "generate.py", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=env)


@pytest.mark.parametrize("beside", [None, "", "# an older one\nquiet_stderr = None\n"])
@pytest.mark.parametrize(
    "other", [generator_files, points_of, sheets], ids=lambda module: module.__name__
)
def test_copied_without_what_it_needs(other, beside):
    for module in (generate, generator_files, points_of, sheets):
        shutil.copy(module.__file__, ".")
    name = Path(other.__file__).name
    os.remove(name)
    if beside is not None:
        Path(name).write_text(beside)
    done = alone("--help")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"generate.py: error: {name} is missing")
    assert len(done.stderr.splitlines()) == 1
    shutil.copy(other.__file__, ".")
    assert alone("--help").returncode == 0


def test_inline_metadata():
    """The file begins with what `uv run` and `pipx run` install for it (PEP 723)."""
    lines = SCRIPT.read_text().splitlines()
    assert lines[0] == "# /// script"
    block = lines[1 : lines.index("# ///")]
    assert all(line.startswith("# ") for line in block)
    metadata = tomllib.loads("\n".join(line[2:] for line in block))
    assert metadata["requires-python"] == ">=3.11"
    names = [re.match(r"[a-z0-9]+", requirement)[0] for requirement in metadata["dependencies"]]
    assert names == ["tensorflow", "keras", "numpy", "matplotlib", "h5py", "pillow"]


def test_show(monkeypatch, capsys):
    import matplotlib.pyplot as plt

    glass(4)
    shown = []
    monkeypatch.setattr(plt, "get_backend", lambda: "TkAgg")
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gca().images[0].get_array().shape))
    generate.main(["g.h5", "--show"])
    assert shown == [matplotlib.image.imread("g_seed1.png").shape]
    monkeypatch.setattr(plt, "get_backend", lambda: "agg")
    with pytest.raises(SystemExit):
        generate.main(["g.h5", "--show"])
    assert "no window can be opened here" in capsys.readouterr().err
