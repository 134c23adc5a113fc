"""Open the .h5 file of a trained generator: check it, rebuild its model, and say how to feed it.

`open_generator(path)` returns the model and a dict that describes it; whatever stands in the way is
a `GeneratorFileError`, whose text is one line for the user. `read_description(path)` reads the file
alone, in a quarter of a second, where TensorFlow takes seconds to start.

A file written by a script of this project describes itself in an attribute `gan`, a JSON text. In
format 1 that is an object with these members; programs may rely on the first six:

    format       1; files without a number are read as format 1, any other number is refused
    kind         "unconditional"; "conditional" (a label input); "infogan" (a one-hot latent part)
    latent       parts of the latent input in order, each {"name": str, "size": int, "distribution":
                 "normal", that is N(0, 1), or "uniform" in [-1, 1], or "one-hot"}; the continuous
                 codes of an InfoGAN are those named "codes"
    classes      how many, 0 without; labels are 0 to classes - 1
    class_names  their names, unique strings in order, or [] where they have none (the default)
    pixel_range  [low, high] of the generator's output
    map          of an evaluated InfoGAN: the class that each category draws, one to one
    script, epoch, seed, averaged, settings, data, versions: where the generator came from

For a file of another tutorial the first six are worked out from its model, see `describe`. Files of
Keras 2.2 to 2.15 open too: `upgrade_layer` rewrites the older dialect that describes their models.
"""

import contextlib
import functools
import gc
import json
import math
import os
import re
import stat
import subprocess
import sys
import time

import h5py
import numpy as np

# keras is imported inside the functions that need it: TensorFlow takes seconds to start, and a
# mistake that shows without it should be answered at once.

FORMAT = 1  # of the attribute gan, as written by the scripts
MISFIT = "the file's description of itself (attribute gan) does not fit its model"
MODELS = ("Sequential", "Functional", "Model")  # class names under which models are stored

# Names of Keras 2 that changed in Keras 3: of classes, and of the settings of a class.
RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    ("InputLayer", "batch_input_shape"): "batch_shape",
    ("LeakyReLU", "alpha"): "negative_slope",
}
# The layers that a file may have: Keras defines them, they only calculate, and generators use them.
LAYERS = """
    Activation Add AlphaDropout Average AveragePooling2D BatchNormalization CategoryEncoding
    Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Cropping1D Cropping2D Dense
    DepthwiseConv2D Dot Dropout ELU Embedding Flatten GaussianDropout GaussianNoise
    GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization InputLayer LayerNormalization
    LeakyReLU MaxPooling2D Maximum Minimum Multiply PReLU Permute ReLU RepeatVector Rescaling
    Reshape Resizing SeparableConv2D Softmax SpatialDropout2D SpectralNormalization Subtract
    TimeDistributed UnitNormalization UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
""".split()
MOST_LAYERS, MOST_CLASSES, MOST_INPUTS = 1000, 10_000, 100_000
MOST_PIXELS, MOST_BYTES = 4096, 2**30  # of a side of the image, of all weights
SECONDS = 10  # to read a file; where the system can count them, one of computing: see the end

# Settings that some layers of Keras 3 do not take any more, with the value that asks for nothing.
# With any other value they stay, and Keras refuses the file rather than draw different images.
NEUTRAL = {"groups": 1, "noise_shape": None, "ragged": False, "sparse": False, "time_major": False}
# These act while a model is built or trained, if at all, and not on the images.
IDLE = (("Embedding", "input_length"), ("SpatialDropout2D", "trainable"))
IDLE_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def plain(text):
    """Return a text out of a file without control characters, at most 40 characters of it."""
    return "".join(c for c in str(text) if c.isprintable())[:40]


class GeneratorFileError(ValueError):
    """A file that cannot be used as a generator; the text says in one line why, and what to do."""

    def __init__(self, message):
        message = " ".join(message.split())  # Keras explains itself on many lines
        super().__init__("".join(c for c in message if c.isprintable()))


@contextlib.contextmanager
def quiet_stderr():
    """Silence TensorFlow's C++ start-up notes; Python exceptions pass through.

    Since 2.19 TensorFlow prints some of them whatever TF_CPP_MIN_LOG_LEVEL says (tensorflow issue
    100442), so file descriptor 2 itself is turned away for the moment.
    """
    sys.stderr.flush()
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


@contextlib.contextmanager
def replacing(path):
    """Yield a name beside `path` to write to; rename it to `path` once that has succeeded."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@functools.cache
def check_readable(path, changed):
    """Raise GeneratorFileError if the HDF5 library crashes over a file, or never comes to an end.

    A single bit can do that, so a file, `changed` at some time, is read in another process first.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run([sys.executable, __file__, path], timeout=SECONDS, **quiet)
        readable = done.returncode == 0
    except subprocess.TimeoutExpired:
        readable = False
    if not readable:
        raise GeneratorFileError(
            f"{path} is damaged, the HDF5 library cannot read it: take another snapshot"
        )


def read_file(path):
    """Read what a .h5 file says about its model, without TensorFlow.

    Returns the model's stored description, a dict with "class_name" and "config", and the file's
    account of itself as `read_description` returns it. Raises GeneratorFileError for a file that
    cannot be read or holds no model, and for an account in a format other than FORMAT.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for ever
            raise OSError(0, "not a file")
        open(path, "rb").close()
    except OSError as error:
        raise GeneratorFileError(
            f"cannot read {path} ({error.strerror}): give the .h5 file of a trained generator"
        ) from None
    if not h5py.is_hdf5(path):
        raise GeneratorFileError(
            f"{path} is no HDF5 file: give a generator saved with model.save('NAME.h5')"
        )
    if __name__ != "__main__":
        check_readable(path, os.stat(path).st_mtime_ns)
    try:
        with h5py.File(path, "r") as file:
            about = json.loads(file.attrs["gan"]) if "gan" in file.attrs else None
            config = json.loads(file.attrs.get("model_config", "null"))  # None in a file of weights
            version = file.attrs.get("keras_version", "2")
            version = version.decode() if isinstance(version, bytes) else str(version)
            shapes = check_storage(path, file)
    except GeneratorFileError:
        raise
    except Exception as error:  # h5py and JSON raise of every kind for what is damaged
        raise GeneratorFileError(
            f"{path} is damaged or incomplete, take another snapshot ({plain(error)})"
        ) from None
    if about is not None:
        about = check_description(path, about)
    if config is None:
        raise GeneratorFileError(
            f"{path} holds only weights, no model: save with model.save('NAME.h5')"
        )
    if version.startswith("2") and '"hard_sigmoid"' in json.dumps(config):
        raise GeneratorFileError(
            f"{path} uses the hard_sigmoid of Keras {plain(version)}, which is another curve in "
            "Keras 3"
        )
    try:
        check_layers(config, shapes)
    except GeneratorFileError as error:
        raise GeneratorFileError(f"{path} {error}") from None
    except Exception as error:  # a description that is none
        raise GeneratorFileError(
            f"{path} holds a model that Keras 3 cannot rebuild: {plain(error)}"
        ) from None
    return config, about


def check_storage(path, file):
    """Return the shapes of the weights of each layer in an open file, {name: [shape, ...]}.

    Raises GeneratorFileError for anything that would lead out of the file, or not to an end: links,
    storage elsewhere, weights that are not finite numbers or fill more than MOST_BYTES.
    """
    shapes, seen, groups, size = {}, set(), [(file, ())], 0
    while groups:
        group, names = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            item = group[name] if isinstance(link, h5py.HardLink) else None
            address = item is not None and h5py.h5o.get_info(item.id).addr
            if item is None or address in seen or len(seen) > 100 * MOST_LAYERS:
                raise GeneratorFileError(
                    f"{path} holds links, which no generator needs: not opened"
                )
            seen.add(address)
            if isinstance(item, h5py.Group):
                groups.append((item, (*names, name)))
                continue
            if item.external or item.is_virtual:
                raise GeneratorFileError(f"{path} keeps weights in other files: not opened")
            # Not item.nbytes: that is 0 where one side is, and no more than NumPy can count.
            size += math.prod(max(1, side) for side in item.shape) * max(4, item.dtype.itemsize)
            if size > MOST_BYTES or math.prod(item.chunks or ()) > MOST_BYTES // 64:
                raise GeneratorFileError(f"{path} holds more weights than a generator has")
            if names[:1] == ("model_weights",):
                shapes.setdefault(names[1] if len(names) > 1 else "", []).append(item.shape)
                rows = max(1, 2**22 // max(1, item.nbytes // max(1, len(item)))) if item.ndim else 1
                for k in range(0, len(item) if item.ndim else 1, rows):  # to spare memory
                    part = item[k : k + rows] if item.ndim else item[()]
                    if not np.isfinite(part).all():
                        raise GeneratorFileError(
                            f"{path} holds weights that are no numbers: training diverged, take an "
                            "earlier snapshot"
                        )
    return shapes


def layers_of(layer):
    """Yield class name and settings of a stored layer, and of all layers inside it, in order."""
    connections = json.dumps(layer.get("inbound_nodes"))
    for name in re.findall(r'"class_name": "?([^"]*)', connections):
        if name != "__keras_tensor__":  # Keras would make an object of it
            yield f"{name} (in a connection)", {}
    name, config = RENAMED.get(layer["class_name"], layer["class_name"]), layer["config"]
    if name in MODELS:
        for inner in config if isinstance(config, list) else config["layers"]:
            yield from layers_of(inner)
        return
    yield name, config
    for key, value in config.items():  # an activation, or what a wrapper wraps
        if isinstance(value, dict) and "class_name" in value:
            if key != "dtype" and not key.endswith(IDLE_ENDINGS) and (name, key) not in IDLE:
                yield from layers_of(value)


def check_layers(model, shapes):
    """Raise GeneratorFileError for a stored model that is not to be built.

    Its layers must be on the list, their sizes those of their weights, `shapes` as `check_storage`
    returns them, and no image on the way larger than MOST_PIXELS a side.
    """
    config = model["config"]
    side = n_layers = 0
    for layer in config if isinstance(config, list) else config["layers"]:
        inner = layer["config"]
        label = inner.get("name") if isinstance(inner, dict) else layer.get("name")
        sizes = {size for shape in shapes.get(label, ()) for size in shape}
        for name, settings in layers_of(layer):
            n_layers += 1
            if name == "Lambda":
                raise GeneratorFileError("has a Lambda layer: Python code out of a file is not run")
            if name not in LAYERS:
                raise GeneratorFileError(
                    f"has a layer that is not known here, {plain(name)}; no code is in the file"
                )
            wanted = [settings.get(key) for key in ("units", "filters", "input_dim", "output_dim")]
            for size in [*wanted, *np.atleast_1d(settings.get("kernel_size"))]:
                if size is not None and size not in sizes:
                    raise GeneratorFileError(
                        f"lacks weights of its model, take another snapshot (layer {plain(label)})"
                    )
            factor = max(np.atleast_1d(settings.get("size", 1)))
            stride = max(np.atleast_1d(settings.get("strides") or 1))
            if name == "Reshape":
                side = max([*settings["target_shape"][:-1], 1])
            elif name.startswith("UpSampling"):
                side *= factor
            elif name.endswith("Transpose"):
                side *= stride
            elif name.startswith("ZeroPadding"):
                side += int(np.sum(settings["padding"]))
            elif stride > 1:
                side = -(-side // stride)
            # of RepeatVector, CategoryEncoding, Resizing
            grown = [settings.get(key) or 0 for key in ("n", "num_tokens", "height", "width")]
            side = max(side, *grown)
            if side > MOST_PIXELS:
                raise GeneratorFileError(f"makes images of more than {MOST_PIXELS} pixels a side")
            if n_layers > MOST_LAYERS:
                raise GeneratorFileError(f"has a model of more than {MOST_LAYERS} layers")


def read_description(path):
    """Return a file's account of itself, without TensorFlow; None for one of another tutorial.

    The dict has the members of format 1, "class_names" even where the file has none; its values
    are checked as far as that goes without the model. Raises GeneratorFileError.
    """
    return read_file(path)[1]


def check_description(path, about):
    """Return the value of a file's attribute gan if it is sound, with "class_names" added to it.

    Whether it fits the model remains to be seen, see `check_fit`. Raises GeneratorFileError.
    """
    number = about.get("format", FORMAT) if isinstance(about, dict) else FORMAT
    if type(number) is not int or number != FORMAT:  # JSON's true and 1.0 equal 1 as well
        raise GeneratorFileError(
            f"{path} was written by a newer version of the scripts (format {str(number)[:40]}): "
            "update generator_files.py and the programs beside it"
        )
    try:
        about = {"class_names": [], **about}
        parts, kind = about["latent"], about["kind"]
        classes, names = about["classes"], about["class_names"]
        low, high = about["pixel_range"] or (0, 1)
        one_hot = {"unconditional": 0, "conditional": 0, "infogan": classes}
        sound = (
            {part["distribution"] for part in parts} <= {"normal", "uniform", "one-hot"}
            and all(type(part["size"]) is int and part["size"] >= 0 for part in parts)
            and sum(part["size"] for part in parts) <= MOST_INPUTS
            and type(classes) is int
            and classes <= MOST_CLASSES
            and len(part_columns(parts, "one-hot")) == one_hot[kind]
            and (classes == 0 if kind == "unconditional" else classes > 0)
            and isinstance(names, list)
            and all(isinstance(name, str) for name in names)
            and len(names) == len(set(names))
            and len(names) in (0, classes)
            and sorted(about.get("map") or range(classes)) == [*range(classes)]
            and math.isfinite(high - low)
            and low < high
        )
    except (KeyError, OverflowError, TypeError, ValueError):
        sound = False
    if not sound:
        raise GeneratorFileError(MISFIT)
    return about


def upgrade_layer(layer):
    """Rewrite the stored description of a layer or model so that Keras 3 takes it.

    `layer` is {"class_name": str, "config": dict, ...}, written by Keras 2.2 to 2.15 or Keras 3; a
    model's config holds a list of such layers. Returns a new dict of that form. Raises ValueError
    for a setting that Keras 3 would ignore.
    """
    name = RENAMED.get(layer["class_name"], layer["class_name"])
    if name in MODELS:
        return upgrade_model(name, layer)
    config = {}
    for key, value in layer["config"].items():
        idle = key.endswith(IDLE_ENDINGS) or (name, key) in IDLE
        if idle or (key in NEUTRAL and value == NEUTRAL[key]):
            continue
        if key == "axis" and isinstance(value, list):
            if len(value) != 1:  # Keras 3 would forget them all
                raise ValueError(f"{name} over the axes {value}")
            value = value[0]
        if isinstance(value, dict) and "class_name" in value:
            if key == "dtype":  # a policy, of which the name says all
                value = value["config"]["name"]
                if value.startswith("mixed_"):  # trained in half precision, on float32 weights
                    value = "float32"
            else:  # a layer inside a layer: an activation, or what a wrapper wraps
                value = {**upgrade_layer(value), "module": "keras.layers", "registered_name": None}
        config[RENAMED.get((name, key), key)] = value
    return {"class_name": name, "config": config}


def upgrade_model(name, model):
    """Rewrite the stored description of a model: the part of `upgrade_layer` for models."""
    config = model["config"]
    if isinstance(config, list):  # Sequential before Keras 2.2.3: a bare list of layers
        config = {"name": model.get("name", "sequential"), "layers": config}
    layers = []
    for old in config["layers"]:
        new = upgrade_layer(old)
        shape = new["config"].pop("batch_input_shape", None)
        if name == "Sequential" and not layers and shape:
            # Keras 2 has the first layer hold the shape of the input, Keras 3 a layer of its own.
            layers.append({"class_name": "InputLayer", "config": {"batch_shape": shape}})
        layers.append({**new, **{key: old[key] for key in ("name", "inbound_nodes") if key in old}})
    for layer in layers:
        calls = layer.get("inbound_nodes")
        if layer["class_name"] in MODELS and calls and isinstance(calls[0], list):
            renumber_calls(layer, layers, config["output_layers"])
    config = {**config, "layers": layers}
    config.pop("dtype", None)
    for key in ("input_layers", "output_layers"):
        if len(config.get(key, ())) == 1:  # a list of one would ask for lists of one ever after
            config[key] = config[key][0]
    return {"class_name": name, "config": config}


def renumber_calls(nested, layers, output_layers):
    """Number the calls of a model inside a functional model as Keras 3 does, in place.

    A reference to an output is [layer, call, tensor, ...]. Keras 2 counts the making of a model
    whose input shape was known as its call 0. Keras 3 does not, except that `output_layers` counts
    the calls of a functional model from 1.
    """
    inner = [ref for layer in layers for call in layer["inbound_nodes"] for ref in call]
    inner = [ref for ref in inner if ref[0] == nested["name"]]
    outer = [ref for ref in output_layers if ref[0] == nested["name"]]
    first = max(ref[1] for ref in inner + outer) + 1 - len(nested["inbound_nodes"])
    for ref in inner:
        ref[1] -= first
    for ref in outer:
        ref[1] += (nested["class_name"] != "Sequential") - first


def load_weights(model, group):
    """Copy weights from the group model_weights of an open .h5 file into a model.

    Layers are matched by name, and every weight must be there: an interrupted save can leave a
    valid file that lacks some, or has room for some that were never written. Raises KeyError for a
    missing layer and ValueError for weights that are missing or misshapen.
    """
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights  # the order of the file
        if not variables:
            continue
        stored = group[layer.name]
        # A list too long for one attribute is split over weight_names0, weight_names1, ...
        keys = sorted((key for key in stored.attrs if key.startswith("weight_names")), key=len)
        values = [stored[name] for key in keys for name in stored.attrs[key]]
        if [value.shape for value in values] != [tuple(v.shape) for v in variables]:
            raise ValueError(f"those of layer {layer.name} are missing or of another shape")
        if any(value.id.get_storage_size() == 0 for value in values):
            raise ValueError(f"those of layer {layer.name} were never written")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value[()])


@functools.cache  # once in a process
def start_tensorflow():
    """Import Keras and TensorFlow, quietly, and set them up for sampling; return TensorFlow."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    # Sampling while a training runs must not claim the rest of the GPU's memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # Fast convolutions: TensorFlow by itself has them on newer processors only.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # The garbage collector would walk through all that they make again and again, and once more
    # at the end of the program, although it stays: 1.4 seconds.
    gc.disable()
    with quiet_stderr():
        import keras
        import tensorflow as tf

        keras.ops.zeros(1)  # starts the devices, of which TensorFlow talks too
    gc.freeze()
    gc.enable()
    # Fused operations would round otherwise than the layers one by one, in the eighth digit.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    return tf


def load_generator(path, config):
    """Build the model that `config` describes and load its weights from `path`.

    Returns a keras.Model. Raises GeneratorFileError for whatever stands in the way of exactly that
    model.
    """
    start_tensorflow()
    import keras

    try:
        upgraded = upgrade_layer(config)
        build = keras.Sequential if upgraded["class_name"] == "Sequential" else keras.Model
        model = build.from_config(upgraded["config"])
        model.inputs  # noqa: B018 - raises for a Sequential whose input shape was not stored
    except Exception as error:  # Keras has no common exception for a description it cannot use
        raise GeneratorFileError(
            f"{path} holds a model that Keras 3 cannot rebuild: {str(error)[:300]}"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            load_weights(model, file["model_weights"])
    except (AttributeError, KeyError, OSError, ValueError) as error:
        raise GeneratorFileError(
            f"{path} lacks weights of its model, take another snapshot ({error})"
        ) from None
    model.jit_compile = False  # XLA, the default on a GPU, takes seconds to compile
    return model


def image_shape(shape):
    """Return (height, width, channels) for a generator's output shape (n, ...), or None.

    A flat output is taken for a square image of one channel, or of three.
    """
    shape = tuple(shape[1:])
    if None in shape:
        return None
    if len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) > 1:
        return shape
    if len(shape) == 2 and min(shape) > 1:
        return (*shape, 1)
    for channels in (1, 3):
        side = math.isqrt(shape[0] // channels) if len(shape) == 1 else 0
        if side >= 8 and side * side * channels == shape[0]:
            return (side, side, channels)
    return None


def find_inputs(model):
    """Return the positions of the latent input and of the label input (or None) of a generator.

    A label is a whole number, or else any single number. Raises GeneratorFileError for a model that
    does not make one image from a latent point and at most a label.
    """
    inputs, outputs = model.inputs, model.outputs
    whole = [i for i, x in enumerate(inputs) if "int" in x.dtype]
    single = [i for i, x in enumerate(inputs) if set(x.shape[1:]) <= {1}]
    labels = (whole or single) if len(inputs) > 1 else []
    # A latent point extends along one axis, an image (a discriminator's input) along more.
    long = [[size for size in x.shape[1:] if size != 1] for x in inputs]
    latent = [i for i in range(len(inputs)) if i not in whole + labels and len(long[i]) <= 1]
    found = len(latent) == 1 and len(labels) == len(inputs) - 1 < 2 and None not in long[latent[0]]
    if not found or len(outputs) != 1 or image_shape(outputs[0].shape) is None:
        takes, gives = (", ".join(str(tuple(x.shape)) for x in xs) for xs in (inputs, outputs))
        raise GeneratorFileError(
            f"not a generator of images: the model takes {takes} and gives {gives}"
        )
    return latent[0], labels[0] if labels else None


def leaf_layers(model):
    """Return the layers of a model, those of models inside it included, in order."""
    nested = [leaf_layers(x) if hasattr(x, "layers") else [x] for x in model.layers]
    return [layer for layers in nested for layer in layers]


def describe(model):
    """Work out of a foreign tutorial's model what a file of this project says about itself.

    Returns a dict with the members of format 1 that programs rely on; "pixel_range" is None where
    neither a sigmoid nor a tanh sets it. Raises what `find_inputs` raises.
    """
    latent, label = find_inputs(model)
    moving = ("Reshape", "Flatten", "Permute", "Cropping2D", "UpSampling2D", "Dropout")
    # The last layer that computes: the ones after it keep the values they are given.
    last = [None, *(x for x in leaf_layers(model) if type(x).__name__ not in moving)][-1]
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    embeddings = [x.input_dim for x in leaf_layers(model) if type(x).__name__ == "Embedding"]
    width = math.prod(model.inputs[latent].shape[1:])
    return {
        "format": FORMAT,
        "kind": "unconditional" if label is None else "conditional",
        "latent": [{"name": "noise", "size": width, "distribution": "normal"}],
        "classes": 0 if label is None else [*embeddings, 10][0],
        "class_names": [],
        "pixel_range": {"sigmoid": (0, 1), "tanh": (-1, 1)}.get(activation),
    }


def check_fit(about, model):
    """Raise GeneratorFileError unless a file's account of itself fits its model."""
    latent, label = find_inputs(model)
    width = sum(part["size"] for part in about["latent"])
    fits_width = width == math.prod(model.inputs[latent].shape[1:])
    if not fits_width or (label is not None) != (about["kind"] == "conditional"):
        raise GeneratorFileError(MISFIT)


def part_columns(parts, distribution):
    """Return the columns of the latent input, a list of int, that have a distribution.

    `parts` are those of about["latent"], `distribution` is "normal", "uniform" or "one-hot".
    """
    return columns_where(parts, lambda part: part["distribution"] == distribution)


def noise_columns(parts):
    """Return the columns of the latent input that hold noise: the others are classes and codes."""
    return columns_where(
        parts, lambda part: part["distribution"] != "one-hot" and part.get("name") != "codes"
    )


def code_columns(about):
    """Return the columns of the latent input that hold an InfoGAN's continuous codes."""
    if about["kind"] != "infogan":
        return []
    return columns_where(about["latent"], lambda part: part.get("name") == "codes")


def columns_where(parts, chosen):
    """Return the columns of those parts of the latent input of which `chosen(part)` is true."""
    columns = []
    end = 0
    for part in parts:
        start, end = end, end + part["size"]
        if chosen(part):
            columns.extend(range(start, end))
    return columns


def open_generator(path):
    """Open the .h5 file of a trained generator, of this project or of a Keras 2 or 3 tutorial.

    Returns the keras.Model, whose inputs `find_inputs` tells apart and whose output has the
    `image_shape`, and its description, a dict as `read_description` or `describe` returns it.
    Raises GeneratorFileError for everything that stands in the way.
    """
    config, about = read_file(path)
    model = load_generator(path, config)
    if about is None:
        about = describe(model)
    check_fit(about, model)
    return model, about


def export(source, target, known):
    """Copy a generator's file, compressed; add `known`, a dict, to what the copy says of itself."""
    about = open_generator(source)[1] | known
    with replacing(target) as part, h5py.File(source) as file, h5py.File(part, "w") as copy:

        def compress(name, item):
            if isinstance(item, h5py.Group):
                twin = copy.require_group(name)
            else:
                filters = {"compression": "gzip", "shuffle": True} if item.shape else {}
                twin = copy.create_dataset(name, data=item[()], **filters)
            twin.attrs.update(item.attrs)

        file.visititems(compress)
        copy.attrs.update(file.attrs)
        copy.attrs["gan"] = json.dumps(about)


if __name__ == "__main__":  # the other process of check_readable
    with contextlib.suppress(ImportError):  # on Windows SECONDS alone have to do
        import resource

        # Seconds of computing, which no other program on a busy machine can use up.
        seconds = math.ceil(time.process_time()) + 1 + os.path.getsize(sys.argv[1]) // 2**27
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    with contextlib.suppress(GeneratorFileError):
        read_file(sys.argv[1])
