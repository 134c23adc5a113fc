"""Files that are no honest generators, to be given to generate.py.

    python tests/hostile_files.py FOLDER

`KINDS` has a function for each kind: it writes one file of it to a path. Most begin with `honest`,
a small generator that opens, and spoil one thing.
"""

import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np

KINDS = {}


def kind(write):
    """Add a function that writes a file of its kind."""
    KINDS[write.__name__] = write
    return write


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
ABOUT = {"format": 1, "kind": "unconditional", "classes": 0, "pixel_range": [0, 1]}
ABOUT["latent"] = [{"name": "noise", "size": 4, "distribution": "normal"}]


def honest(path, model=None, about=None, **more):
    """Write a generator of 8x8 images of one Dense layer; return the open file, to be spoilt.

    `model` replaces its description, `about` adds to its account of itself, `more` are weights of
    other layers, {name: array}.
    """
    file = h5py.File(path, "w")
    file.attrs["model_config"] = json.dumps(chain(DENSE, SHAPE) if model is None else model)
    file.attrs["keras_version"] = "3.15.1"
    file.attrs["gan"] = json.dumps(ABOUT | (about or {}))
    weights = {"dense": {"kernel": np.ones((4, 64), "f4"), "bias": np.ones(64, "f4")}}
    for name, arrays in (weights | {name: {"kernel": x} for name, x in more.items()}).items():
        group = file.create_group(f"model_weights/{name}")
        group.attrs["weight_names"] = [f"{name}/{key}" for key in arrays]
        for key, array in arrays.items():
            group[f"{name}/{key}"] = array
    return file


def kernel_of(file):
    """Take the kernel out of an honest file; return its group, for another in its place."""
    group = file["model_weights/dense/dense"]
    del group["kernel"]
    return group


# ---- what is no file of a model at all -----------------------------------------------------------


@kind
def empty(path):
    path.touch()


@kind
def text(path):
    path.write_text("import os\nos.system('touch ran')\n")


@kind
def picture(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


@kind
def pickle(path):
    path.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")


@kind
def fifo(path):
    os.mkfifo(path)


@kind
def dangling_path(path):
    path.symlink_to("nowhere.h5")


@kind
def device(path):
    path.symlink_to("/dev/zero")


@kind
def signature_only(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))


def cut(share):
    """Return a kind: a file of which only a share is there."""

    def write(path):
        honest(path).close()
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write


KINDS |= {f"truncated_{k}": cut(k / 10) for k in range(1, 10)}


@kind
def no_attributes(path):
    with honest(path) as file:
        for name in list(file.attrs):
            del file.attrs[name]


@kind
def weights_only(path):
    with honest(path) as file:
        del file.attrs["model_config"]


@kind
def endless(path):
    """One bit turned in the table of texts: the HDF5 library reads it for ever."""
    honest(path).close()
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL") + 16  # the first object: its number, its size, and what it holds
    while True:
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        after = place + 16 + (size + 7) // 8 * 8
        if not data[after]:  # it is the last one
            break
        place = after
    data[place + 8] ^= 16
    path.write_bytes(data)


# ---- its account of itself -----------------------------------------------------------------------


def account(**about):
    """Return a kind: a file that says this of itself."""
    return lambda path: honest(path, about=about).close()


def attribute(name, value):
    """Return a kind: a file with this attribute."""

    def write(path):
        with honest(path) as file:
            file.attrs[name] = value

    return write


HUGE = [{"name": "noise", "size": 10**9, "distribution": "one-hot"}]
KINDS |= {
    "account_no_json": attribute("gan", "{"),
    "account_number": attribute("gan", 1.0),
    "account_deep": attribute("gan", "[" * 20_000),
    "account_of_a_later_format": account(format=2),
    "account_classes": account(kind="conditional", classes=10**9),
    "account_categories": account(kind="infogan", classes=10**9, latent=HUGE),
    "account_latent": account(latent=[HUGE[0] | {"distribution": "normal"}]),
    "account_negative": account(latent=[HUGE[0] | {"size": -4, "distribution": "normal"}]),
    "account_range": account(pixel_range=[0, 1e999]),
    "account_kind": account(kind="\x1b[2J" * 20),
    "account_misfit": account(latent=[HUGE[0] | {"size": 9, "distribution": "normal"}]),
    "model_no_json": attribute("model_config", "{"),
    "model_number": attribute("model_config", "7"),
    "model_list": attribute("model_config", "[]"),
    "model_deep": attribute("model_config", '{"a":' * 20_000),
}


# ---- weights that are not there, or elsewhere ----------------------------------------------------


@kind
def soft_link(path):
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.SoftLink("/model_weights/dense/dense/bias")


@kind
def soft_link_to_itself(path):
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.SoftLink("/model_weights/dense/dense/kernel")


@kind
def external_link(path):
    with h5py.File(path.with_suffix(".other"), "w") as other:
        other["kernel"] = np.ones((4, 64), "f4")
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.ExternalLink(f"{path.stem}.other", "/kernel")


@kind
def hard_link_that_loops(path):
    with honest(path) as file:
        file["model_weights/dense/again"] = file["model_weights"]


@kind
def second_hard_link(path):
    with honest(path) as file:
        file["model_weights/dense/dense/twice"] = file["model_weights/dense/dense/kernel"]


@kind
def external_storage(path):
    path.with_suffix(".raw").write_bytes(bytes(4 * 64 * 4))
    with honest(path) as file:
        where = [(str(path.with_suffix(".raw")), 0, 4 * 64 * 4)]
        kernel_of(file).create_dataset("kernel", (4, 64), "f4", external=where)


@kind
def virtual_storage(path):
    layout = h5py.VirtualLayout((4, 64), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_suffix(".other")), "kernel", (4, 64))
    with honest(path) as file:
        kernel_of(file).create_virtual_dataset("kernel", layout)


@kind
def compressed_bomb(path):
    with honest(path) as file:
        shape = (4, 64, 10**7)
        kernel_of(file).create_dataset("kernel", shape, "f4", compression="gzip", fillvalue=1)


@kind
def one_side_of_nothing(path):
    with honest(path) as file:
        kernel_of(file).create_dataset("kernel", (0, 2**40, 2**20), "f4", maxshape=(None,) * 3)


@kind
def never_written(path):
    with honest(path) as file:
        kernel_of(file).create_dataset("kernel", (4, 64), "f4")


def kernel(array):
    """Return a kind: a file with this array in place of the kernel."""

    def write(path):
        with honest(path) as file:
            kernel_of(file)["kernel"] = array

    return write


KINDS |= {
    "not_a_number": kernel(np.full((4, 64), np.nan, "f4")),
    "infinite": kernel(np.full((4, 64), np.inf, "f4")),
    "texts_as_weights": kernel(np.full((4, 64), b"x" * 8)),
    "misshapen": kernel(np.ones((4, 63), "f4")),
    "scalar": kernel(np.float32(1)),
    "group_as_weight": lambda path: kernel_of(honest(path)).create_group("kernel"),
}


@kind
def missing_weight(path):
    with honest(path) as file:
        kernel_of(file)


@kind
def missing_layer(path):
    with honest(path) as file:
        del file["model_weights/dense"]


@kind
def broken_weight_names(path):
    with honest(path) as file:
        file["model_weights/dense"].attrs["weight_names"] = ["../dense", "/"]


# ---- the model -----------------------------------------------------------------------------------


def model(*inner, **weights):
    """Return a kind: a file with this chain of layers."""
    return lambda path: honest(path, chain(*inner), **weights).close()


def wide(**settings):
    """Return a Dense layer that is not as its weights are."""
    return layer("Dense", **{"units": 64, "activation": "sigmoid", **settings})


code = layer("Lambda", function=["4wEAAAA=", None, None], function_type="lambda")
system = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
grown = [layer("UpSampling2D", name=f"up{k}", size=[2, 2]) for k in range(10)]
padded = [layer("ZeroPadding2D", name=f"pad{k}", padding=[[9, 999], [9, 999]]) for k in range(9)]
many = [layer("LeakyReLU", name=f"relu{k}", negative_slope=0.2) for k in range(20_000)]
deep = chain(DENSE, SHAPE)
for _ in range(300):
    deep = chain(deep)
few = np.ones((3, 3, 1, 1), "f4")
KINDS |= {
    "units": model(wide(units=2 * 10**9), SHAPE),
    "units_negative": model(wide(units=-1), SHAPE),
    "units_text": model(wide(units="64"), SHAPE),
    "units_without_weights": model(DENSE, SHAPE, layer("Dense", name="d2", units=10**9)),
    "filters": model(DENSE, SHAPE, layer("Conv2D", filters=10**9, kernel_size=3), conv2d=few),
    "kernel_size": model(DENSE, SHAPE, layer("Conv2D", filters=1, kernel_size=10**6), conv2d=few),
    "embedding": model(layer("Embedding", input_dim=10**9, output_dim=64), embedding=few),
    "strides": model(
        DENSE,
        SHAPE,
        layer("Conv2DTranspose", filters=1, kernel_size=3, strides=10**6),
        conv2dtranspose=few,
    ),
    "upsampling": model(DENSE, SHAPE, layer("UpSampling2D", size=[3000, 3000])),
    "upsampling_in_a_row": model(DENSE, SHAPE, *grown),
    "padding_in_a_row": model(DENSE, SHAPE, *padded),
    "reshape": model(DENSE, layer("Reshape", target_shape=[10**9, 10**9, 1])),
    "reshape_text": model(DENSE, layer("Reshape", target_shape="888")),
    "repeat": model(DENSE, layer("RepeatVector", n=10**9)),
    "layers": model(DENSE, SHAPE, *many),
    "models_in_models": lambda path: honest(path, deep).close(),
    "lambda_layer": model(DENSE, SHAPE, code),
    "lambda_in_a_wrapper": model(DENSE, SHAPE, layer("TimeDistributed", layer=code)),
    "lambda_as_activation": model(wide(activation=code), SHAPE),
    "function_as_activation": model(wide(activation=system), SHAPE),
    "function_as_layer": model(DENSE, SHAPE, system | {"config": {"name": "system"}}),
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


def connected(nodes, outputs):
    """Return a kind: a functional model with these connections."""
    first = layer("InputLayer", name="in", batch_shape=[None, 4]) | {"inbound_nodes": []}
    inner = [first | {"name": "in"}]
    for each, node in zip((DENSE, SHAPE), nodes, strict=True):
        inner.append(each | {"name": each["config"]["name"], "inbound_nodes": node})
    config = {"name": "g", "layers": inner, "input_layers": [["in", 0, 0]]}
    described = {"class_name": "Functional", "config": config | {"output_layers": outputs}}
    return lambda path: honest(path, described).close()


def tensor(name, node=0):
    """Return a node that takes one tensor: an output of a layer."""
    config = {"shape": [None, 4 if name == "in" else 64], "dtype": "float32"}
    history = {"class_name": "__keras_tensor__"}
    history["config"] = config | {"keras_history": [name, node, 0]}
    return [{"args": [history], "kwargs": {}}]


KINDS |= {
    "unconnected": connected([tensor("nowhere"), tensor("dense")], [["reshape", 0, 0]]),
    "circle": connected([tensor("reshape"), tensor("dense")], [["reshape", 0, 0]]),
    "far_node": connected([tensor("in", 10**6), tensor("dense")], [["reshape", 0, 0]]),
    "no_output": connected([tensor("in"), tensor("dense")], [["nowhere", 0, 0]]),
    "object_in_a_connection": connected(
        [[{"args": [layer("TFSMLayer", filepath="x")], "kwargs": {}}], tensor("dense")],
        [["reshape", 0, 0]],
    ),
    "nodes_of_text": connected(["x", "y"], [["reshape", 0, 0]]),
}


def flipped(seed):
    """Return a kind: a file in which one bit is turned."""

    def write(path):
        honest(path).close()
        data, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)

    return write


FLIPPED = {f"flipped_{seed}": flipped(seed) for seed in range(60)}  # some of which still open


def write_all(folder):
    """Write a file of each kind into a folder; return their paths by kind."""
    paths = {name: Path(folder, f"{name}.h5") for name in KINDS | FLIPPED}
    for name, write in (KINDS | FLIPPED).items():
        write(paths[name])
    return paths


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(exist_ok=True)
    print(f"{len(write_all(sys.argv[1]))} files in {sys.argv[1]}")
