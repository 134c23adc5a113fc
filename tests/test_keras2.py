"""sampling/keras2.py: files of Keras 2.2 to 2.15 draw what the same network draws in Keras 3.

That is built here with the weights of the file.
"""

import functools

import h5py
import keras
import numpy as np
import pytest
from generators import in_tmp_path  # noqa: F401
from keras import layers
from keras2_files import (
    VERSIONS,
    acgan_generator,
    cifar_generator,
    fill,
    keras2_acgan,
    keras2_cifar,
    keras2_file,
    keras2_functional,
    keras2_input,
    keras2_layer,
    keras2_mnist,
    keras2_sequential,
    mnist_generator,
    set_of,
    small_file,
    weights_of,
)

from sampling.draw import run_model
from sampling.files import open_generator

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


@functools.cache
def filled(build):
    """Return the network that a function builds in Keras 3, with weights; it is built once."""
    return fill(build())


def random_points(n, width=100):
    """Return latent points (n, width)."""
    return np.random.default_rng(0).standard_normal((n, width)).astype("float32")


def assert_same(file, native, points, labels=None):
    """Compare the images of a file with those of a native network."""
    model, _ = open_generator(file)
    images = run_model(model, points, labels)
    fed = points if labels is None else [points, labels.reshape(-1, 1)]
    expected = native(fed).numpy()
    assert images.dtype == np.float32 and expected.std() > 0.01
    np.testing.assert_allclose(images, expected.reshape(images.shape), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "build,describe,version",
    [(cifar_generator, keras2_cifar, version) for version in VERSIONS]
    + [(mnist_generator, keras2_mnist, version) for version in ("2.2.2", "2.2.4-tf", "2.12.0")],
)
def test_sequential(build, describe, version):
    native = filled(build)
    described = keras2_sequential(version, describe(version))
    keras2_file("g.h5", version, described, weights_of(native))
    assert_same("g.h5", native, random_points(4))


@pytest.mark.parametrize(
    "version,inputs",
    [("2.2.4", ["input_2", "input_1"]), ("2.2.4-tf", ["input_1", "input_2"])]
    + [("2.15.0", ["input_1", "input_2"])],
)
def test_conditional(version, inputs):
    """The label comes first in some files, and is declared as a float."""
    native = filled(acgan_generator)
    keras2_file("g.h5", version, keras2_acgan(version, inputs), weights_of(native))
    assert_same("g.h5", native, random_points(3), np.array([7, 0, 1]))


# ---- models inside models ------------------------------------------------------------------------


def cgan_generator():
    """Build C's generator, with its dense network as a model of its own, in Keras 3."""
    network = [layers.Input((100,), name="noise")]
    for i, units in enumerate((256, 512), 1):
        network += [layers.Dense(units, name=f"dense_{i}"), layers.LeakyReLU(0.2)]
        network += [layers.BatchNormalization(momentum=0.8, name=f"batch_normalization_{i}")]
    network += [layers.Dense(784, activation="tanh", name="dense_3"), layers.Reshape((28, 28, 1))]
    network = keras.Sequential(network, name="nested")
    noise = keras.Input((100,))
    label = keras.Input((1,), dtype="int32")
    product = layers.Flatten()(layers.Embedding(10, 100, name="embedding_1")(label))
    return keras.Model([noise, label], network(layers.Multiply()([noise, product])))


def keras2_dense_network(version, nested):
    """Describe C's dense network as Keras 2 did, as a "Sequential" or a "Functional" model."""
    inner = []
    for i, units in enumerate((256, 512), 1):
        first = {"first": [100]} if i == 1 else {}
        inner.append(keras2_layer(version, "Dense", f"dense_{i}", units=units, **first))
        inner.append(keras2_layer(version, "LeakyReLU", f"leaky_re_lu_{i}", alpha=0.2))
        batch_norm = {"momentum": 0.8, "axis": [1] if version > "2.3" else -1}
        name = f"batch_normalization_{i}"
        inner.append(keras2_layer(version, "BatchNormalization", name, **batch_norm))
    inner.append(keras2_layer(version, "Dense", "dense_3", units=784, activation="tanh"))
    inner.append(keras2_layer(version, "Reshape", "reshape_1", target_shape=[28, 28, 1]))
    if nested == "Sequential":
        model = keras2_sequential(version, inner)
    else:
        model = keras2_chain(version, [keras2_input(version, "input_3", [100]), *inner])
    model["config"]["name"] = "nested"
    return model


def keras2_chain(version, described):
    """Return a functional model of layers, each on the one before; the first is an input."""
    names = [layer["config"]["name"] for layer in described]
    nodes = [(described[0], [])]
    for layer, before in zip(described[1:], names, strict=False):
        nodes.append((layer, [[before, 0, 0]]))
    return keras2_functional(version, nodes, names[:1], [names[-1], 0, 0])


@pytest.mark.parametrize("version", ["2.2.4", "2.12.0"])
@pytest.mark.parametrize("nested", ["Sequential", "Functional"])
@pytest.mark.parametrize("last", [True, False])
def test_nested(version, nested, last):
    """A model inside a model, as its last layer or before it; Keras 2 counts its calls from 1."""
    embedding = {"input_dim": 10, "output_dim": 100}
    nodes = [
        (keras2_input(version, "input_1", [100]), []),
        (keras2_input(version, "input_2", [1], "int32"), []),
        (keras2_layer(version, "Embedding", "embedding_1", **embedding), [["input_2", 0, 0]]),
        (keras2_layer(version, "Flatten", "flatten_1"), [["embedding_1", 0, 0]]),
        (
            keras2_layer(version, "Multiply", "multiply_1"),
            [["input_1", 0, 0], ["flatten_1", 0, 0]],
        ),
        (keras2_dense_network(version, nested), [["multiply_1", 0, 0]]),
    ]
    output = ["nested", 1, 0]
    if not last:
        again = keras2_layer(version, "Reshape", "reshape_2", target_shape=[28, 28, 1])
        nodes.append((again, [output]))
        output = ["reshape_2", 0, 0]
    native = filled(cgan_generator)
    described = keras2_functional(version, nodes, ["input_1", "input_2"], output)
    keras2_file("g.h5", version, described, weights_of(native))
    assert_same("g.h5", native, random_points(10), np.arange(10))


@pytest.mark.parametrize("nested", ["Sequential", "Functional"])
def test_nested_twice(nested):
    """A model called on its own output: the calls must not be taken for each other."""
    version = "2.4.0"
    dense = keras2_layer(version, "Dense", "dense_1", units=64, activation="tanh", first=[64])
    if nested == "Sequential":
        model = keras2_sequential(version, [dense])
    else:
        model = keras2_chain(version, [keras2_input(version, "input_2", [64]), dense])
    model["config"]["name"] = "nested"
    nodes = [(keras2_input(version, "input_1", [64]), []), (model, [["input_1", 0, 0]])]
    described = keras2_functional(version, nodes, ["input_1"], ["nested", 2, 0])
    described["config"]["layers"][1]["inbound_nodes"].append([["nested", 1, 0, {}]])
    once = keras.Sequential([layers.Input((64,)), layers.Dense(64, "tanh", name="dense_1")])
    kernel, bias = [weight.numpy() for weight in fill(once).weights]
    weights = {"nested": {"dense_1/kernel:0": kernel, "dense_1/bias:0": bias}}
    keras2_file("g.h5", version, described, weights)
    twice = keras.Sequential([layers.Input((64,)), once, once])
    assert_same("g.h5", twice, random_points(2, 64))


# ---- layers and their settings -------------------------------------------------------------------


def test_activation_layer_as_setting():
    """tf.keras stores Dense(activation=LeakyReLU(alpha=0.1)) as a layer inside a layer."""
    inner = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.1, "dtype": "float32"}}
    small_file(change=set_of(0, activation=inner))
    stack = [layers.Input((8,)), layers.Dense(64), layers.LeakyReLU(0.1)]
    stack.append(layers.Reshape((8, 8, 1)))
    stack.append(layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid"))
    native = keras.Sequential(stack)
    for weight in native.weights:
        weight.assign(np.ones(weight.shape))
    assert_same("g.h5", native, random_points(4, 8))


def test_hard_sigmoid_of_keras3():
    """Keras 3 may read its own hard_sigmoid; only that of Keras 2 was another curve."""
    small_file(change=set_of(2, activation="hard_sigmoid"))
    with h5py.File("g.h5", "r+") as file:
        file.attrs["keras_version"] = "3.15.1"
    model, _ = open_generator("g.h5")
    assert run_model(model, np.zeros((1, 8), "float32"), None).max() == 1


def test_weight_names_split_over_attributes():
    """HDF5 attributes end at 64 KB; Keras splits longer lists over numbered ones."""
    small_file()
    model, _ = open_generator("g.h5")
    with h5py.File("g.h5", "r+") as file:
        attrs = file["model_weights/dense_1"].attrs
        names = list(attrs["weight_names"])
        del attrs["weight_names"]
        attrs["weight_names0"] = names[:1]
        attrs["weight_names1"] = names[1:]
    assert_same("g.h5", model, random_points(4, 8))
