"""Files of generators as Keras 2 wrote them, and the same networks built in Keras 3.

No Keras 2 is installed. Its files are written here with h5py, in the dialects of Keras 2.2 to 2.15:
`keras2_mnist(version)` describes the generator of a tutorial as that version did, and
`mnist_generator()` builds it in Keras 3, with the same names of layers.
"""

import json

import h5py
import keras
import numpy as np
from keras import layers

VERSIONS = ("2.2.2", "2.2.4", "2.2.4-tf", "2.4.0", "2.12.0", "2.15.0")
WITH_KERNEL = ("Dense", "Conv2D", "Conv2DTranspose")


def fill(model, seed=1):
    """Give a model small deterministic weights, positive ones where a variance must be."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        values = rng.normal(0, 0.05, variable.shape)
        variable.assign(np.abs(values) + 0.5 if "variance" in variable.path else values)
    return model


def weights_of(model):
    """Return {layer: {weight: array}} of a native model whose layers have the names of the file."""
    stored = {}
    for layer in model.layers:
        stored[layer.name] = {}
        for weight in layer.trainable_weights + layer.non_trainable_weights:
            name = "/".join(weight.path.split("/")[-2:])
            stored[layer.name][f"{name}:0"] = weight.numpy()
    return stored


# ---- the dialect ---------------------------------------------------------------------------------


def initializer(version):
    """Return the description of an initializer as a version of Keras wrote it."""
    if version in ("2.2.2", "2.2.4"):
        config = {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}
        return {"class_name": "VarianceScaling", "config": config}
    described = {"class_name": "GlorotUniform", "config": {"seed": None}}
    if version == "2.2.4-tf":
        described["config"]["dtype"] = "float32"
    if version == "2.15.0":
        described |= {"module": "keras.initializers", "registered_name": None}
    return described


def own_settings(version, class_name):
    """Return the settings that a version of Keras wrote for a class of layers."""
    config = {}
    if class_name in WITH_KERNEL:
        config |= {"activation": "linear", "use_bias": True}
        config |= {f"{x}_initializer": initializer(version) for x in ("kernel", "bias")}
        config |= {f"{x}_regularizer": None for x in ("kernel", "bias", "activity")}
        config |= {f"{x}_constraint": None for x in ("kernel", "bias")}
    if class_name.startswith("Conv"):
        config |= {"padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1]}
        if not version.startswith("2.2"):
            config["groups"] = 1
    if class_name == "Conv2DTranspose":
        config["output_padding"] = None
    if class_name == "BatchNormalization":
        config["axis"] = [3] if "tf" in version or version > "2.3" else -1
        config |= {"epsilon": 0.001, "center": True, "scale": True, "momentum": 0.99}
        config |= {f"{x}_initializer": initializer(version) for x in ("beta", "gamma")}
    if class_name == "Embedding":
        config |= {"embeddings_initializer": initializer(version), "mask_zero": False}
        config |= {"embeddings_regularizer": None, "input_length": 1}
    if class_name == "SpatialDropout2D":
        config |= {"noise_shape": None, "seed": None}
    return config


def keras2_layer(version, class_name, name, first=None, **settings):
    """Return the description of a layer; `first` is the input shape that a first layer holds."""
    config = {"name": name, "trainable": True}
    if first:
        config["batch_input_shape"] = [None, *first]
    if first or not version.startswith("2.2"):
        config["dtype"] = "float32"
    if version == "2.12.0" and not first:
        config["dtype"] = {"class_name": "Policy", "config": {"name": "float32"}}
    config |= own_settings(version, class_name) | settings
    if class_name == "BatchNormalization" and version == "2.2.4-tf":
        class_name = "BatchNormalizationV1"
    return {"class_name": class_name, "config": config}


def keras2_input(version, name, shape, dtype="float32"):
    """Return the description of an InputLayer."""
    config = {"batch_input_shape": [None, *shape], "dtype": dtype, "sparse": False, "name": name}
    if not version.startswith("2.2"):
        config["ragged"] = False
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
        file.attrs["keras_version"] = version.encode()
        file.attrs["backend"] = b"tensorflow"
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


# ---- the generators of tutorials -----------------------------------------------------------------


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
    stack = [layers.Input((100,)), layers.Dense(4096, name="dense_1"), layers.LeakyReLU(0.2)]
    stack.append(layers.Reshape((4, 4, 256)))
    for i in (1, 2, 3):
        name = f"conv2d_transpose_{i}"
        stack.append(layers.Conv2DTranspose(128, 4, 2, padding="same", name=name))
        stack.append(layers.LeakyReLU(0.2))
    stack.append(layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv2d_1"))
    return keras.Sequential(stack)


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


def acgan_generator():
    """Build M3's generator in Keras 3."""
    noise = keras.Input((100,), name="input_2")
    label = keras.Input((1,), name="input_1")
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
        ("Embedding", "embedding_1", {"input_dim": 10, "output_dim": 50}, ["input_1"]),
        ("Dense", "dense_1", {"units": 49}, ["embedding_1"]),
        ("Reshape", "reshape_1", {"target_shape": [7, 7, 1]}, ["dense_1"]),
        ("Dense", "dense_2", {"units": 384 * 49}, ["input_2"]),
        ("Activation", "activation_1", {"activation": "relu"}, ["dense_2"]),
        ("Reshape", "reshape_2", {"target_shape": [7, 7, 384]}, ["activation_1"]),
        ("Concatenate", "concatenate_1", {"axis": -1}, ["reshape_2", "reshape_1"]),
        ("Conv2DTranspose", "conv2d_transpose_1", {"filters": 192, **five}, ["concatenate_1"]),
        ("BatchNormalization", "batch_normalization_1", {}, ["conv2d_transpose_1"]),
        ("Activation", "activation_2", {"activation": "relu"}, ["batch_normalization_1"]),
        ("Conv2DTranspose", "conv2d_transpose_2", {"filters": 1, **five}, ["activation_2"]),
        ("Activation", "activation_3", {"activation": "tanh"}, ["conv2d_transpose_2"]),
    ]
    nodes = [
        (keras2_input(version, "input_1", [1]), []),
        (keras2_input(version, "input_2", [100]), []),
    ]
    for class_name, name, settings, names in chain:
        layer = keras2_layer(version, class_name, name, **settings)
        nodes.append((layer, [[source, 0, 0] for source in names]))
    return keras2_functional(version, nodes, inputs, ["activation_3", 0, 0])


# ---- a small one ---------------------------------------------------------------------------------


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
    ones = {
        "dense_1": {"kernel:0": np.ones((8, 64), "f4"), "bias:0": np.ones(64, "f4")},
        "conv_1": {"kernel:0": np.ones((3, 3, 1, 1), "f4"), "bias:0": np.ones(1, "f4")},
    }
    return keras2_file(path, "2.4.0", keras2_sequential("2.4.0", described), weights or ones)


def set_of(layer, **settings):
    """Return a `change` for small_file that sets settings of its layer number `layer`."""
    return lambda described: described[layer]["config"].update(settings)
