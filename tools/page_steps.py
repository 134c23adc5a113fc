"""The steps of a generator: what page.html calculates, from a latent point to an image.

`make_steps(model)` makes them of a Keras model, `pack_weights(steps)` puts their weights aside.
Each is a dict, with "kind", the name of its function in page.html, and "from", the numbers of the
steps whose results that takes; the other members are what it reads besides. Steps 0 and 1 are the
latent point and the class.

A layer becomes a step, and its activation another. One that only changes shapes, or acts in
training alone, becomes none, for all numbers keep their places. A BatchNormalization right behind a
matrix becomes part of it.
"""

import collections
import math
import sys

import numpy as np

from sampling.checks import GeneratorFileError
from sampling.describe import find_inputs
from sampling.program import plain

# Layers that keep all numbers in their places while a generator draws.
KEEPING = """
    AlphaDropout Dropout Flatten GaussianDropout GaussianNoise Reshape SpatialDropout2D
""".split()
# Settings of layers of which page.html knows one value.
USUAL = {
    "groups": 1,
    "dilation_rate": 1,
    "data_format": "channels_last",
    "interpolation": "nearest",
    "quantization_mode": None,
}
# The activations without settings, each a line of page.html under the name that Keras gives it.
POINTWISE = """
    celu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh log_sigmoid mish relu6 selu
    sigmoid silu soft_shrink softplus softsign sparse_plus sparse_sigmoid squareplus tanh
    tanh_shrink
""".split()
FUNCTION_SLOPES = {"relu": 0, "leaky_relu": 0.2}  # below zero: Keras's own, a file has no others
ACTIVATION_LAYERS = ("ELU", "LeakyReLU", "PReLU", "ReLU")


def refuse(layer, why=""):
    """Raise the GeneratorFileError of a layer that page.html does not know."""
    name = plain(type(layer).__name__)
    raise GeneratorFileError(f"a page cannot draw with the layer {name}{why} ({plain(layer.name)})")


def check_layer(layer, shapes, shape):
    """Refuse a layer with settings, or on shapes, that page.html does not know."""
    for key, usual in USUAL.items():
        value = getattr(layer, key, usual)
        if set(np.ravel(value).tolist()) != {usual}:
            refuse(layer, f" with {key} {plain(value)}")
    sizes = [size for tensor in (*shapes, shape) for size in tensor]
    stretches = type(layer).__name__ == "Multiply" and set(shapes) != {shape}
    if None in sizes or stretches:
        refuse(layer, f" of shapes {shapes}")


# ---- what the steps read besides -----------------------------------------------------------------
# `shapes` and `shape` are those of a layer's inputs and output, without the batch.


def read_matrix(layer, shapes, shape):
    """Return what the step of a Dense layer, an Embedding or a convolution reads.

    Its "matrix" (in, height * width * out) has a row for each channel that comes in, and in it the
    kernel, of which each channel that goes out is divided by its largest number, its "scale". So
    the matrix fits into 16 bits. Dense works on one pixel after the other, with a kernel of 1 x 1.
    """
    name = type(layer).__name__
    if name == "Embedding":
        kernel = layer.embeddings.numpy()
    else:
        kernel = layer.kernel.numpy()
    if name == "Conv2D":  # (height, width, in, out) -> (in, height, width, out)
        kernel = np.moveaxis(kernel, 2, 0)
    elif name == "Conv2DTranspose":  # (height, width, out, in) -> (in, height, width, out)
        kernel = np.moveaxis(kernel, 3, 0)
    n_in = kernel.shape[0]
    n_out = kernel.shape[-1]
    scale = np.abs(kernel).reshape(-1, n_out).max(axis=0)
    scale[scale == 0] = 1
    bias = np.zeros(n_out)
    if getattr(layer, "use_bias", False):
        bias = layer.bias.numpy()
    settings = {"matrix": (kernel / scale).reshape(n_in, -1), "scale": scale, "bias": bias}
    if name in ("Dense", "Embedding"):
        n_pixels = math.prod(shape) // n_out
        settings |= {"pads": (0, 0), "strides": (1, 1)}
        settings |= {"input": (1, n_pixels, n_in), "shape": (1, n_pixels, n_out)}
        return settings | {"kernel": (1, 1)}
    pads = (0, 0)
    if layer.padding == "same":
        pads = count_pads(shapes[0], shape, layer)
    settings |= {"pads": pads, "strides": layer.strides}
    return settings | {"input": shapes[0], "shape": shape, "kernel": layer.kernel_size}


def count_pads(source, target, layer):
    """Return how many rows lie above the image, and columns left of it, with padding="same".

    `source` and `target` are the shapes (height, width, channels) before and after a convolution.
    What the kernel covers of the larger one, and does not lie in it, is split between both sides.
    """
    pads = []
    for axis in (0, 1):
        small = min(source[axis], target[axis])
        large = max(source[axis], target[axis])
        covered = (small - 1) * layer.strides[axis] + layer.kernel_size[axis]
        pads.append(max(covered - large, 0) // 2)
    return pads


def read_normalization(layer, shapes, shape):
    """Return scale and bias, each (channels,), to which a BatchNormalization comes down."""
    if layer.axis not in (-1, len(shape)):
        refuse(layer, f" with axis {layer.axis}")
    gamma = layer.gamma.numpy() if layer.scale else 1
    beta = layer.beta.numpy() if layer.center else 0
    scale = gamma / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    return {"scale": scale, "bias": beta - layer.moving_mean.numpy() * scale}


def read_upsampling(layer, shapes, shape):
    """Return the shape that comes in, and how often each row and column is repeated."""
    return {"input": shapes[0], "size": layer.size}


def read_concatenation(layer, shapes, shape):
    """Return how many numbers of each input follow each other, before those of the next."""
    axis = layer.axis % (len(shape) + 1) - 1  # not counting the batch
    return {"runs": [math.prod(part[axis:]) for part in shapes]}


def read_nothing(layer, shapes, shape):
    return {}


READERS = {
    "Dense": read_matrix,
    "Embedding": read_matrix,
    "Conv2D": read_matrix,
    "Conv2DTranspose": read_matrix,
    "BatchNormalization": read_normalization,
    "UpSampling2D": read_upsampling,
    "Concatenate": read_concatenation,
    "Multiply": read_nothing,
}


def read_activation(layer, activation, shape):
    """Return kind and settings of an activation's step: of a function, or a layer of its own."""
    name = getattr(activation, "__name__", type(activation).__name__)
    if name in POINTWISE:
        return {"kind": name}
    if name in FUNCTION_SLOPES:
        return {"kind": "leaky", "slope": FUNCTION_SLOPES[name]}
    if name == "LeakyReLU":
        return {"kind": "leaky", "slope": activation.negative_slope}
    if name == "ReLU":
        settings = {"kind": "leaky", "slope": activation.negative_slope}
        if activation.max_value is not None or activation.threshold != 0:
            settings |= {"kind": "ReLU", "top": activation.max_value}
            settings |= {"threshold": activation.threshold}
        return settings
    if name == "elu":
        return {"kind": "ELU", "alpha": 1}
    if name == "ELU":
        return {"kind": "ELU", "alpha": activation.alpha}
    if name == "PReLU":
        slopes = activation.alpha.numpy()
        same_for_all_pixels = all(size == 1 for size in slopes.shape[:-1])
        if not same_for_all_pixels:
            slopes = np.broadcast_to(slopes, shape)
        return {"kind": "PReLU", "scale": slopes.ravel()}
    refuse(layer, f" with the activation {plain(name)}")


# ---- from the model to steps ---------------------------------------------------------------------


def add_activation(steps, layer, activation, source, shape):
    """Add the step of an activation to a list; return the number of the step with its result."""
    if getattr(activation, "__name__", "") == "linear":
        return source
    read = read_activation(layer, activation, shape)
    # The "slope" of what lies below zero is None where that is no straight line.
    steps.append({"kind": read["kind"], "from": [source], "slope": None} | read)
    return len(steps) - 1


def add_layer(steps, layer, sources, shapes, shape):
    """Add the steps of a Keras layer to a list; return the number of the one with its result.

    `sources` are the steps whose results it takes, `shapes` and `shape` those of inputs and output,
    without the batch. Raises GeneratorFileError for a layer that page.html does not know.
    """
    check_layer(layer, shapes, shape)
    name = type(layer).__name__
    if name in KEEPING:
        return sources[0]
    if name in ACTIVATION_LAYERS:
        return add_activation(steps, layer, layer, sources[0], shape)
    result = sources[0]
    if name != "Activation":
        if name not in READERS:
            refuse(layer)
        steps.append({"kind": name, "from": sources} | READERS[name](layer, shapes, shape))
        result = len(steps) - 1
    activation = getattr(layer, "activation", None)
    if activation is None:
        return result
    return add_activation(steps, layer, activation, result, shape)


def trace(tensor, known, steps):
    """Return the number of the step that gives a symbolic tensor, and add it if it is not there.

    `known` are the numbers of the tensors that are there, by their id.
    """
    if id(tensor) in known:
        return known[id(tensor)]
    layer, call, position = tensor._keras_history
    inputs = layer._inbound_nodes[call].input_tensors
    sources = [trace(source, known, steps) for source in inputs]
    if hasattr(layer, "layers"):  # a model inside the model
        inner = {id(own): k for own, k in zip(layer.inputs, sources, strict=True)}
        number = trace(layer.outputs[position], inner, steps)
    else:
        shapes = [tuple(source.shape[1:]) for source in inputs]
        number = add_layer(steps, layer, sources, shapes, tuple(tensor.shape[1:]))
    known[id(tensor)] = number
    return number


def fold(steps):
    """Put each BatchNormalization into the matrix right before it, if nothing else uses that."""
    uses = collections.Counter(source for step in steps for source in step["from"])
    for step in steps:
        if step["kind"] != "BatchNormalization":
            continue
        source = step["from"][0]
        before = steps[source]
        if "matrix" not in before or uses[source] > 1:
            continue
        # A Reshape may stand between: channels come last, so each has every n-th column.
        n, rest = divmod(len(before["bias"]), len(step["bias"]))
        if n == 0 or rest > 0:
            continue
        scale = np.tile(step.pop("scale"), n)
        bias = np.tile(step.pop("bias"), n)
        before["scale"] = before["scale"] * scale
        before["bias"] = before["bias"] * scale + bias
        step["kind"] = "Same"


def make_steps(model):
    """Return the steps of a generator, a list, and the number of the one that gives the image.

    Raises GeneratorFileError for a layer that page.html does not know.
    """
    latent, label = find_inputs(model)
    steps = [{"kind": "Latent", "from": []}, {"kind": "Label", "from": []}]
    known = {id(model.inputs[latent]): 0}
    if label is not None:
        known[id(model.inputs[label])] = 1
    sys.setrecursionlimit(20_000)  # trace() goes as deep as the model
    last = trace(model.outputs[0], known, steps)
    fold(steps)
    return steps, last


# ---- the weights ---------------------------------------------------------------------------------


def store(pool, weights):
    """Add an array to a pool {bytes: where they begin}, unless the same is there already.

    Returns where it begins, counted in numbers.
    """
    data = weights.tobytes()
    if data not in pool:
        pool[data] = sum(len(other) for other in pool) // weights.itemsize
    return pool[data]


def pack_weights(steps):
    """Put in the place of the weights of all steps where they begin; return their bytes.

    They are float32 (scale and bias) and float16 (matrix), each of one kind behind the other. Each
    step is also told how many "columns" its scale has.
    """
    singles = {}
    halves = {}
    for step in steps:
        step["columns"] = len(step.get("scale", []))
        if "matrix" in step:
            step["matrix"] = store(halves, step["matrix"].astype("<f2"))
        for key in ("scale", "bias"):
            if key in step:
                step[key] = store(singles, step[key].astype("<f4"))
    return b"".join(singles), b"".join(halves)
