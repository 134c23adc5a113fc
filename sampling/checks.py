"""What is refused of a generator's file before anything is built from it, and why.

The text of an error begins with what the file does ("has a Lambda layer"), where the caller puts
the file's name before it, see formats.py; those of `check_description` have the name already.
"""

import functools
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

from sampling.keras2 import MODELS, class_of, inner_layers, is_described, is_idle, name_of
from sampling.points import part_columns
from sampling.program import plain
from sampling.weights import is_weight, tell_layout

PROBE = Path(__file__).with_name("probe.py")
FORMAT = 1  # of the attribute gan, as written by the scripts
MISFIT = "the file's description of itself (attribute gan) does not fit its model"
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
# Those that may be the activation of another one. Keras makes the weights of others when they are
# first called, which is too late to load them.
ACTIVATIONS = ("Activation", "ELU", "LeakyReLU", "ReLU", "Softmax")
MOST_LAYERS = 1000
MOST_CLASSES = 10_000
MOST_INPUTS = 100_000
MOST_PIXELS = 4096  # of a side of the image
MOST_BYTES = 2**30  # of all weights
MOST_CELLS = 100  # rows or columns of a grid
SECONDS = 10  # for the probe to read a file; where the system counts them, one of computing


class GeneratorFileError(ValueError):
    """A file that cannot be used as a generator; the text says in one line why, and what to do."""

    def __init__(self, message):
        message = " ".join(message.split())  # Keras explains itself on many lines
        super().__init__("".join(c for c in message if c.isprintable()))


@functools.cache
def check_readable(path, changed):
    """Raise GeneratorFileError if the HDF5 library crashes over a file, or never comes to an end.

    A single bit can do that, so a file, `changed` at some time, is read in another process first.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        done = subprocess.run([sys.executable, PROBE, path], timeout=SECONDS, **quiet)
        readable = done.returncode == 0
    except subprocess.TimeoutExpired:
        readable = False
    if not readable:
        raise GeneratorFileError(
            "is damaged, the HDF5 library cannot read it: take another snapshot"
        )


# ---- what is stored ------------------------------------------------------------------------------


def check_storage(file):
    """Return the shapes of the weights in an open HDF5 file, {names that lead to them: shape}.

    Raises GeneratorFileError for anything that would lead out of the file, or not to an end: links,
    storage elsewhere, weights that are not finite numbers or fill more than MOST_BYTES.
    """
    layout = tell_layout(file)
    shapes = {}
    size = 0
    for names, item in data_sets(file):
        if item.external or item.is_virtual:
            raise GeneratorFileError("keeps weights in other files: not opened")
        # Not item.nbytes: that is 0 where one side is, and no more than NumPy can count.
        size += math.prod(max(1, side) for side in item.shape) * max(4, item.dtype.itemsize)
        if size > MOST_BYTES or math.prod(item.chunks or ()) > MOST_BYTES // 64:
            raise GeneratorFileError("holds more weights than a generator has")
        if is_weight(names, layout):
            shapes[names] = item.shape
            check_finite(item)
    return shapes


def data_sets(file):
    """Yield the names that lead to each data set of an open HDF5 file, a tuple, and the data set.

    Raises GeneratorFileError for links of any kind, also for what is reached in two ways.
    """
    seen = set()
    groups = [(file, ())]
    while groups:
        group, above = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise GeneratorFileError("holds links, which no generator needs: not opened")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen or len(seen) > 100 * MOST_LAYERS:
                raise GeneratorFileError("holds links, which no generator needs: not opened")
            seen.add(address)
            # Keras 2.12 to 2.15 on Windows wrote names such as layers\\dense\\vars.
            names = (*above, *name.split("\\"))
            if isinstance(item, h5py.Group):
                groups.append((item, names))
            else:
                yield names, item


def check_finite(item):
    """Raise GeneratorFileError unless all numbers of a data set are finite."""
    if item.ndim:
        row_bytes = max(1, item.nbytes // max(1, len(item)))
        rows = max(1, 2**22 // row_bytes)  # at a time, to spare memory
        parts = (item[k : k + rows] for k in range(0, len(item), rows))
    else:
        parts = (item[()],)
    if not all(np.isfinite(part).all() for part in parts):
        raise GeneratorFileError(
            "holds weights that are no numbers: training diverged, take an earlier snapshot"
        )


# ---- the model -----------------------------------------------------------------------------------


def layers_of(layer):
    """Yield class name and settings of a described layer, and of all inside it, in order."""
    connections = json.dumps(layer.get("inbound_nodes"))
    for name in re.findall(r'"class_name": "?([^"]*)', connections):
        if name != "__keras_tensor__":  # Keras would make an object of it
            yield f"{name} (in a connection)", {}
    name = class_of(layer)
    if name in MODELS:
        for inner in inner_layers(layer):
            yield from layers_of(inner)
        return
    settings = layer["config"]
    yield name, settings
    for key, value in settings.items():  # an activation, or what a wrapper wraps
        if is_described(value) and key != "dtype" and not is_idle(name, key):
            yield from layers_of(value)
            if key == "activation" and class_of(value) not in ACTIVATIONS:
                yield f"{class_of(value)} (as an activation)", {}


def check_layers(model, shapes):
    """Raise GeneratorFileError for a described model that is not to be built.

    Its layers must be on the list, their sizes those of their weights, `shapes` by the names of the
    layers, and no image on the way larger than MOST_PIXELS a side.
    """
    side = 0
    n_layers = 0
    for layer in inner_layers(model):
        label = name_of(layer)
        sizes = {size for shape in shapes.get(label, ()) for size in shape}
        for name, settings in layers_of(layer):
            check_class(name)
            if not sizes.issuperset(sizes_of(settings)):
                raise GeneratorFileError(
                    f"lacks weights of its model, take another snapshot (layer {plain(label)})"
                )
            side = side_after(side, name, settings)
            if side > MOST_PIXELS:
                raise GeneratorFileError(f"makes images of more than {MOST_PIXELS} pixels a side")
            n_layers += 1
            if n_layers > MOST_LAYERS:
                raise GeneratorFileError(f"has a model of more than {MOST_LAYERS} layers")


def check_class(name):
    """Raise GeneratorFileError unless the class of a layer is one of LAYERS."""
    if name == "Lambda":
        raise GeneratorFileError("has a Lambda layer: Python code out of a file is not run")
    if name not in LAYERS:
        raise GeneratorFileError(
            f"has a layer that is not known here, {plain(name)}; no code is in the file"
        )


def sizes_of(settings):
    """Return the sizes that a layer's settings ask of its weights."""
    sizes = [settings.get(key) for key in ("units", "filters", "input_dim", "output_dim")]
    sizes.extend(np.atleast_1d(settings.get("kernel_size")))
    return [size for size in sizes if size is not None]


def side_after(side, name, settings):
    """Return the longer side of the image, in pixels, after a layer: at least as large as it is."""
    stride = max(np.atleast_1d(settings.get("strides") or 1))
    if name == "Reshape":
        side = max([*settings["target_shape"][:-1], 1])
    elif name.startswith("UpSampling"):
        side *= max(np.atleast_1d(settings.get("size", 1)))
    elif name.endswith("Transpose"):
        side *= stride
    elif name.startswith("ZeroPadding"):
        side += int(np.sum(settings["padding"]))
    elif stride > 1:
        side = -(-side // stride)  # rounded up
    # of RepeatVector, CategoryEncoding, Resizing
    grown = [settings.get(key) or 0 for key in ("n", "num_tokens", "height", "width")]
    return max(side, *grown)


# ---- what the file says of itself ----------------------------------------------------------------


def check_description(path, about):
    """Return the value of a file's attribute gan if it is sound, with "class_names" added to it.

    Whether it fits the model remains to be seen, see `describe.check_fit`. Raises
    GeneratorFileError.
    """
    number = about.get("format", FORMAT) if isinstance(about, dict) else FORMAT
    if type(number) is not int or number != FORMAT:  # JSON's true and 1.0 equal 1 as well
        raise GeneratorFileError(
            f"{path} was written by a newer version of the scripts (format {str(number)[:40]}): "
            "update the programs and their folder sampling/"
        )
    try:
        about = {"class_names": [], **about}
        sound = (
            is_latent(about["latent"])
            and has_classes(about)
            and is_range(about["pixel_range"] or (0, 1))
            and ("grid" not in about or is_grid(about["grid"]))
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        sound = False
    if not sound:
        raise GeneratorFileError(f"{path}: {MISFIT}")
    return about


# These return whether a value is what docs/snapshots.md says; errors of many kinds mean no, too.


def is_latent(parts):
    """Return whether a value is a list of parts of a latent input."""
    known = {part["distribution"] for part in parts} <= {"normal", "uniform", "one-hot"}
    counted = all(type(part["size"]) is int and part["size"] >= 0 for part in parts)
    return known and counted and sum(part["size"] for part in parts) <= MOST_INPUTS


def has_classes(about):
    """Return whether the classes of a generator fit its kind, and their names and meaning them."""
    classes = about["classes"]
    names = about["class_names"]
    if type(classes) is not int or classes > MOST_CLASSES:
        return False
    one_hot = {"unconditional": 0, "conditional": 0, "infogan": classes}[about["kind"]]
    if len(part_columns(about["latent"], "one-hot")) != one_hot:
        return False
    if about["kind"] == "unconditional":
        fits_kind = classes == 0
    else:
        fits_kind = classes > 0
    named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    distinct = named and len(names) == len(set(names)) and len(names) in (0, classes)
    meant = sorted(about.get("map") or range(classes)) == [*range(classes)]
    return fits_kind and distinct and meant


def is_range(value):
    """Return whether a value is [low, high], finite numbers, the second one larger."""
    low, high = value
    return math.isfinite(high - low) and low < high


def is_size(value):
    """Return whether a value is [rows, columns], each from 1 to MOST_CELLS."""
    rows, columns = value
    return all(type(n) is int and 1 <= n <= MOST_CELLS for n in (rows, columns))


def is_grid(grid):
    """Return whether a value is the layout of a run's pictures."""
    return (
        is_size(grid["size"])
        and grid["noise"] in ("cell", "row")
        and is_range(grid.get("codes", (0, 1)))
        and is_size(grid.get("sheet", (1, 1)))
    )
