"""Files whose model is not to be built: `KINDS` has a function for each kind, which writes one."""

import numpy as np
from honest_files import DENSE, SHAPE, chain, honest, layer

FEW = np.ones((3, 3, 1, 1), "f4")


def model(*inner, **weights):
    """Return a kind: a file with this chain of layers."""

    def write(path):
        honest(path, chain(*inner), **weights).close()

    return write


def wide(**settings):
    """Return a Dense layer that is not as its weights are."""
    return layer("Dense", **{"units": 64, "activation": "sigmoid", **settings})


def conv(class_name="Conv2D", **settings):
    """Return a convolution that is not as its weights are, which are FEW."""
    return layer(class_name, **{"filters": 1, "kernel_size": 3, **settings})


def models_in_models(path):
    deep = chain(DENSE, SHAPE)
    for _ in range(300):
        deep = chain(deep)
    honest(path, deep).close()


CODE = layer("Lambda", function=["4wEAAAA=", None, None], function_type="lambda")
SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
UP = [layer("UpSampling2D", name=f"up{k}", size=[2, 2]) for k in range(10)]
PAD = [layer("ZeroPadding2D", name=f"pad{k}", padding=[[9, 999], [9, 999]]) for k in range(9)]
MANY = [layer("LeakyReLU", name=f"relu{k}", negative_slope=0.2) for k in range(20_000)]

SIZES = {
    "units": model(wide(units=2 * 10**9), SHAPE),
    "units_negative": model(wide(units=-1), SHAPE),
    "units_text": model(wide(units="64"), SHAPE),
    "units_without_weights": model(DENSE, SHAPE, layer("Dense", name="d2", units=10**9)),
    "filters": model(DENSE, SHAPE, conv(filters=10**9), conv2d=FEW),
    "kernel_size": model(DENSE, SHAPE, conv(kernel_size=10**6), conv2d=FEW),
    "embedding": model(layer("Embedding", input_dim=10**9, output_dim=64), embedding=FEW),
    "strides": model(DENSE, SHAPE, conv("Conv2DTranspose", strides=10**6), conv2dtranspose=FEW),
    "upsampling": model(DENSE, SHAPE, layer("UpSampling2D", size=[3000, 3000])),
    "upsampling_in_a_row": model(DENSE, SHAPE, *UP),
    "padding_in_a_row": model(DENSE, SHAPE, *PAD),
    "reshape": model(DENSE, layer("Reshape", target_shape=[10**9, 10**9, 1])),
    "reshape_text": model(DENSE, layer("Reshape", target_shape="888")),
    "repeat": model(DENSE, layer("RepeatVector", n=10**9)),
    "layers": model(DENSE, SHAPE, *MANY),
    "models_in_models": models_in_models,
}
CLASSES = {
    "lambda_layer": model(DENSE, SHAPE, CODE),
    "lambda_in_a_wrapper": model(DENSE, SHAPE, layer("TimeDistributed", layer=CODE)),
    "lambda_as_activation": model(wide(activation=CODE), SHAPE),
    "function_as_activation": model(wide(activation=SYSTEM), SHAPE),
    "function_as_layer": model(DENSE, SHAPE, SYSTEM | {"config": {"name": "system"}}),
    "name_as_activation": model(wide(activation="os.system"), SHAPE),
    "torch_module": model(DENSE, SHAPE, layer("TorchModuleWrapper", module="x")),
    "saved_model": model(DENSE, SHAPE, layer("TFSMLayer", filepath="/tmp")),
    "own_layer": model(DENSE, SHAPE, layer("PixelNorm\x1b[2J" * 9)),
    "name_of_a_function": model(DENSE, SHAPE, layer("deserialize")),
    "loss_as_layer": model(DENSE, SHAPE, layer("MeanSquaredError")),
    "unknown_setting": model(wide(surprise=1), SHAPE),
    "no_layers": model(),
    "no_image": model(DENSE, layer("Reshape", target_shape=[4, 4, 4])),
    "same_name_twice": model(DENSE, SHAPE, DENSE),
}

# ---- connections ---------------------------------------------------------------------------------


def connected(nodes, outputs):
    """Return a kind: a functional model with these connections."""
    first = layer("InputLayer", name="in", batch_shape=[None, 4])
    inner = [first | {"name": "in", "inbound_nodes": []}]
    for each, node in zip((DENSE, SHAPE), nodes, strict=True):
        inner.append(each | {"name": each["config"]["name"], "inbound_nodes": node})
    config = {"name": "g", "layers": inner, "input_layers": [["in", 0, 0]]}
    described = {"class_name": "Functional", "config": config | {"output_layers": outputs}}

    def write(path):
        honest(path, described).close()

    return write


def tensor(name, node=0):
    """Return a node that takes one tensor: an output of a layer."""
    config = {"shape": [None, 4 if name == "in" else 64], "dtype": "float32"}
    config["keras_history"] = [name, node, 0]
    return [{"args": [{"class_name": "__keras_tensor__", "config": config}], "kwargs": {}}]


OBJECT = [{"args": [layer("TFSMLayer", filepath="x")], "kwargs": {}}]
IMAGE = [["reshape", 0, 0]]
CONNECTIONS = {
    "unconnected": connected([tensor("nowhere"), tensor("dense")], IMAGE),
    "circle": connected([tensor("reshape"), tensor("dense")], IMAGE),
    "far_node": connected([tensor("in", 10**6), tensor("dense")], IMAGE),
    "no_output": connected([tensor("in"), tensor("dense")], [["nowhere", 0, 0]]),
    "object_in_a_connection": connected([OBJECT, tensor("dense")], IMAGE),
    "nodes_of_text": connected(["x", "y"], IMAGE),
}

KINDS = SIZES | CLASSES | CONNECTIONS
