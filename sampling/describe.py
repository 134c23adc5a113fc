"""What a generator is fed and what it gives, worked out of its model."""

import math

from sampling.checks import FORMAT, MISFIT, GeneratorFileError
from sampling.points import part_columns

# Layers that keep the values they are given, or act in training alone.
KEEPING = ("Reshape", "Flatten", "Permute", "Cropping2D", "UpSampling2D", "Dropout")
N_CLASSES = 10  # of a generator whose label goes through no Embedding


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
    if len(shape) != 1:
        return None
    n = shape[0]
    for channels in (1, 3):
        side = math.isqrt(n // channels)
        if side >= 8 and side * side * channels == n:
            return (side, side, channels)
    return None


def is_point(shape):
    """Return whether an input of shape (n, ...) takes latent points.

    They extend along one axis at most; an image, a discriminator's input, extends along more.
    """
    long = [size for size in shape[1:] if size != 1]
    return len(long) <= 1 and None not in long


def find_inputs(model):
    """Return the positions of the latent input and of the label input (or None) of a generator.

    A label is a whole number, or else any single number. Raises GeneratorFileError for a model that
    does not make one image from a latent point and at most a label.
    """
    inputs = model.inputs
    outputs = model.outputs
    numbers = range(len(inputs))
    whole = [k for k in numbers if "int" in inputs[k].dtype]
    labels = whole
    if not whole:
        labels = [k for k in numbers if set(inputs[k].shape[1:]) <= {1}]
    if len(inputs) == 1:
        labels = []
    points = [k for k in numbers if k not in (*labels, *whole) and is_point(inputs[k].shape)]
    takes_points = len(points) == 1 and len(labels) <= 1 and len(inputs) == 1 + len(labels)
    gives_images = len(outputs) == 1 and image_shape(outputs[0].shape) is not None
    if not (takes_points and gives_images):
        takes = ", ".join(str(tuple(x.shape)) for x in inputs)
        gives = ", ".join(str(tuple(x.shape)) for x in outputs)
        raise GeneratorFileError(
            f"not a generator of images: the model takes {takes} and gives {gives}"
        )
    if labels:
        return points[0], labels[0]
    return points[0], None


def leaf_layers(model):
    """Return the layers of a model, those of models inside it included, in order."""
    leaves = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            leaves.extend(leaf_layers(layer))
        else:
            leaves.append(layer)
    return leaves


def describe(model, parts=None):
    """Work out of a foreign tutorial's model what a file of this project says about itself.

    `parts` of the latent input, where they are known, have a category perhaps, or codes; without
    them it is all noise. Returns a dict with the members of format 1 that programs rely on;
    "pixel_range" is None unless a last sigmoid sets it. Raises what `find_inputs` raises.
    """
    latent, label = find_inputs(model)
    leaves = leaf_layers(model)
    computing = [layer for layer in leaves if type(layer).__name__ not in KEEPING]
    pixel_range = None
    if computing:
        activation = getattr(computing[-1], "activation", None)
        if getattr(activation, "__name__", None) == "sigmoid":
            pixel_range = (0, 1)
    width = math.prod(model.inputs[latent].shape[1:])
    about = {
        "format": FORMAT,
        "kind": "unconditional",
        "latent": [{"name": "noise", "size": width, "distribution": "normal"}],
        "classes": 0,
        "class_names": [],
        "pixel_range": pixel_range,
    }
    if label is not None:
        tables = [layer for layer in leaves if type(layer).__name__ == "Embedding"]
        about["kind"] = "conditional"
        about["classes"] = tables[0].input_dim if tables else N_CLASSES
    if parts:
        about["latent"] = parts
        check_parts(parts, width, about["kind"])
        n_categories = len(part_columns(parts, "one-hot"))
        if n_categories:
            about["kind"] = "infogan"
            about["classes"] = n_categories
    return about


def check_parts(parts, width, kind):
    """Raise GeneratorFileError unless the parts that a user names make up a latent input."""
    total = sum(part["size"] for part in parts)
    if total != width:
        raise GeneratorFileError(
            f"--latent: its parts have {total} numbers, the generator's input has {width}"
        )
    names = {part["name"] for part in parts}
    if kind == "conditional" and "category" in names:
        raise GeneratorFileError("--latent: this generator has an input of its own for the class")
    if "codes" in names and "category" not in names:
        raise GeneratorFileError("--latent: codes are an InfoGAN's, which has a category, too")


def check_fit(about, model):
    """Raise GeneratorFileError unless a file's account of itself fits its model."""
    latent, label = find_inputs(model)
    width = sum(part["size"] for part in about["latent"])
    fits_width = width == math.prod(model.inputs[latent].shape[1:])
    fits_label = (label is not None) == (about["kind"] == "conditional")
    if not (fits_width and fits_label):
        raise GeneratorFileError(MISFIT)
