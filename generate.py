"""Sample a trained generator: load its .h5 file, draw images, write them as a picture or as data.

    python generate.py generator_model_100.h5                   # a grid of samples
    python generate.py generator_model_100.h5 --vector 0.75     # one chosen latent point
    python generate.py generator_model_050.h5 --labels 0,3-5    # chosen classes, one a column
    python generate.py generator_model_050.h5 --count 1000 --images samples --npz samples.npz

A file written by a script of this project describes itself (attribute `gan`). For a file of another
tutorial the same is worked out from its model: one float input is the latent point, a second input
of integers or of one number is the class label, a last sigmoid means pixels in [0, 1] and a last
tanh pixels in [-1, 1]. Files of Keras 2.2 to 2.15 open too: `upgrade_layer` rewrites the older
dialect in which they describe their models.

The same seed gives the same images, and a smaller --count the first images of a larger one. A grid
takes between 2 and 3 seconds on two CPU cores, nearly all of it the start of TensorFlow.

Sources: Machine Learning Mastery, "How to Develop a GAN for Generating MNIST Handwritten Digits"
and "How to Develop a GAN to Generate CIFAR10 Small Color Photographs" (their last sections, on the
final generator); the manners of the command line are those of StyleGAN3's gen_images.py.
"""

import argparse
import collections
import contextlib
import functools
import gc
import json
import math
import os
import re
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

# keras and matplotlib are imported inside the functions that need them: TensorFlow takes seconds
# to start, and --help or a mistyped name should be answered at once.

BATCH = 256  # images per call of the generator, so that memory does not grow with --count
MODELS = ("Sequential", "Functional", "Model")  # class names under which models are stored

# Names of Keras 2 that changed in Keras 3: of classes, and of the settings of a class.
RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    ("InputLayer", "batch_input_shape"): "batch_shape",
    ("LeakyReLU", "alpha"): "negative_slope",
}
# Settings that some layers of Keras 3 do not take any more, with the value that asks for nothing.
# With any other value they stay, and Keras refuses the file rather than draw different images.
NEUTRAL = {"groups": 1, "noise_shape": None, "ragged": False, "sparse": False, "time_major": False}
# These act while a model is built or trained, if at all, and not on the images.
IDLE = (("Embedding", "input_length"), ("SpatialDropout2D", "trainable"))
IDLE_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def fail(message):
    """End the program with one line on stderr and exit status 2."""
    print("generate.py: error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def warn(message):
    """Print one line on stderr and go on."""
    print(f"generate.py: warning: {message}", file=sys.stderr)


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


def read_model_file(path):
    """Read what a .h5 file says about its model, without TensorFlow.

    Returns the model's stored description, a dict with "class_name" and "config", and the file's
    account of itself, a dict, or None for a file of another tutorial. A file that cannot be read
    or holds no model ends the program.
    """
    try:
        open(path, "rb").close()
    except OSError as error:
        fail(f"cannot read {path} ({error.strerror}): give the .h5 file of a trained generator")
    if not h5py.is_hdf5(path):
        fail(f"{path} is no HDF5 file: give a generator saved with model.save('NAME.h5')")
    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                fail(f"{path} holds only weights, no model: save with model.save('NAME.h5')")
            about = json.loads(file.attrs["gan"]) if "gan" in file.attrs else None
            config = json.loads(file.attrs["model_config"])
            version = file.attrs.get("keras_version", "2")
    except (OSError, ValueError) as error:
        fail(f"{path} is damaged or incomplete, take another snapshot ({error})")
    version = version.decode() if isinstance(version, bytes) else version
    if version.startswith("2") and '"hard_sigmoid"' in json.dumps(config):
        fail(f"{path} uses the hard_sigmoid of Keras {version}, which is another curve in Keras 3")
    return config, about


def upgrade_layer(layer):
    """Rewrite the stored description of a layer or model so that Keras 3 takes it.

    `layer` is {"class_name": str, "config": dict, ...}, written by Keras 2.2 to 2.15 or Keras 3; a
    model's config holds a list of such layers. Returns a new dict of that form. Raises ValueError
    for a setting that Keras 3 would ignore; a layer that is not part of Keras ends the program.
    """
    import keras

    name = RENAMED.get(layer["class_name"], layer["class_name"])
    if name in MODELS:
        return upgrade_model(name, layer)
    if name == "Lambda":
        fail("the model has a Lambda layer, and Python code out of a file is not run")
    known = getattr(keras.layers, name, None)
    if not (isinstance(known, type) and issubclass(known, keras.Layer)):
        fail(f"the model has a layer that Keras does not know, {name}; its code is not in the file")
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
    """Import Keras and TensorFlow, quietly, and set them up for sampling."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    # Sampling while a training runs must not claim the rest of the GPU's memory.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
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


def load_generator(path, config):
    """Build the model that `config` describes and load its weights from `path`.

    Returns a keras.Model. Whatever stands in the way of exactly that model ends the program.
    """
    start_tensorflow()
    import keras

    try:
        upgraded = upgrade_layer(config)
        build = keras.Sequential if upgraded["class_name"] == "Sequential" else keras.Model
        model = build.from_config(upgraded["config"])
        model.inputs  # noqa: B018 - raises for a Sequential whose input shape was not stored
    except Exception as error:  # Keras has no common exception for a description it cannot use
        fail(f"{path} holds a model that Keras 3 cannot rebuild: {str(error)[:300]}")
    try:
        with h5py.File(path, "r") as file:
            load_weights(model, file["model_weights"])
    except (AttributeError, KeyError, OSError, ValueError) as error:
        fail(f"{path} lacks weights of its model, take another snapshot ({error})")
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

    A label is a whole number, or else any single number. Ends the program at a model that does not
    make one image from a latent point and at most a label.
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
        fail(f"not a generator of images: the model takes {takes} and gives {gives}")
    return latent[0], labels[0] if labels else None


def leaf_layers(model):
    """Return the layers of a model, those of models inside it included, in order."""
    nested = [leaf_layers(x) if hasattr(x, "layers") else [x] for x in model.layers]
    return [layer for layers in nested for layer in layers]


def describe(model, latent, label):
    """Work out of a foreign tutorial's model what a file of this project says about itself.

    Returns a dict with "kind", "latent", "classes" and "pixel_range" (None where neither a sigmoid
    nor a tanh sets it).
    """
    moving = ("Reshape", "Flatten", "Permute", "Cropping2D", "UpSampling2D", "Dropout")
    # The last layer that computes: the ones after it keep the values they are given.
    last = [None, *(x for x in leaf_layers(model) if type(x).__name__ not in moving)][-1]
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    embeddings = [x.input_dim for x in leaf_layers(model) if type(x).__name__ == "Embedding"]
    width = math.prod(model.inputs[latent].shape[1:])
    return {
        "kind": "unconditional" if label is None else "conditional",
        "latent": [{"name": "noise", "size": width, "distribution": "normal"}],
        "classes": 0 if label is None else [*embeddings, 10][0],
        "pixel_range": {"sigmoid": (0, 1), "tanh": (-1, 1)}.get(activation),
    }


def part_columns(parts, distribution):
    """Return the columns of the latent input, a list of int, that have a distribution."""
    ends = np.cumsum([part["size"] for part in parts])
    return [
        column
        for part, end in zip(parts, ends, strict=True)
        if part["distribution"] == distribution
        for column in range(end - part["size"], end)
    ]


def check_description(about, model, latent, label):
    """End the program unless a file's account of itself fits its model."""
    try:
        parts, kind, classes = about["latent"], about["kind"], about["classes"]
        low, high = about["pixel_range"] or (0, 1)
        # Whether there is a label input, how wide the one-hot part is, whether there are classes.
        made = (label is not None, len(part_columns(parts, "one-hot")), classes > 0)
        told = {"unconditional": (False, 0, False), "conditional": (True, 0, True)}
        told["infogan"] = (False, classes, True)
        fits = (
            {part["distribution"] for part in parts} <= {"normal", "uniform", "one-hot"}
            and sum(part["size"] for part in parts) == math.prod(model.inputs[latent].shape[1:])
            and made == told[kind]
            and low < high
        )
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        fail("the file's description of itself (attribute gan) does not fit its model")


def generate_latent_points(parts, n_samples, seed):
    """Draw latent points (n_samples, width), float32; one-hot parts are left at 0.

    "normal" is N(0, 1), "uniform" is [-1, 1]. `seed` is (--seed, number of the batch). Each part
    has a stream of its own, so the first points are the same however many are drawn.
    """
    columns = []
    for i, part in enumerate(parts):
        rng, shape = np.random.default_rng([*seed, i]), (n_samples, part["size"])
        if part["distribution"] == "normal":
            columns.append(rng.standard_normal(shape))
        elif part["distribution"] == "uniform":
            columns.append(rng.uniform(-1, 1, shape))
        else:
            columns.append(np.zeros(shape))
    return np.concatenate(columns, axis=1, dtype=np.float32)


def set_classes(points, labels, parts):
    """Write the classes (n,) into the one-hot part, if any, of latent points (n, width)."""
    category = part_columns(parts, "one-hot")
    if category:
        points[:, category] = np.eye(len(category))[labels]


def vector_points(vector, parts):
    """Return the latent points (n, width) that --vector asks for, and whether they are complete.

    `vector` is a number for all coordinates, or an array (n, width). Where the latent input has
    other parts than noise, both fill the noise alone, and codes are 0, the middle of their range;
    an array of the full width is complete, with classes and codes.
    """
    noise = part_columns(parts, "normal") or part_columns(parts, "uniform")
    width = sum(part["size"] for part in parts)
    if vector.ndim == 2 and vector.shape[1] == width:
        return vector, True
    if vector.ndim == 2 and vector.shape[1] != len(noise):
        widths = " or ".join(str(size) for size in sorted({len(noise), width}))
        fail(f"--vector: the points have {vector.shape[1]} coordinates, the generator's {widths}")
    points = np.zeros((len(vector) if vector.ndim else 1, width), np.float32)
    points[:, noise] = vector
    return points, False


def plan_images(args, parts, classes):
    """Decide which images to make.

    Returns the latent points (n, width), or None where every image gets its own, drawn batch by
    batch; the classes (n,), int, all 0 for a generator without; the picture's rows and columns.
    """
    if args.labels and not classes:
        warn("--labels is ignored: this generator has no classes")
    elif args.labels and max(args.labels) >= classes:
        fail(f"--labels: the classes of this generator are 0 to {classes - 1}")
    columns = np.array(args.labels or range(classes)) if classes else np.array([0])
    rows, cols = args.grid or ((10, min(100, len(columns))) if classes else (5, 5))
    points = None
    if args.vector is not None:
        points, complete = vector_points(args.vector, parts)
        category = part_columns(parts, "one-hot")
        if complete and category:
            labels, across = points[:, category].argmax(axis=1), 1
            if args.labels:
                warn("--labels is ignored: the points of --vector hold their classes")
        else:
            across = len(columns) if args.labels else 1
            labels = np.tile(columns[:across], len(points))
            points = points.repeat(across, axis=0)
            set_classes(points, labels, parts)
        if not args.grid:  # one column a class, or else a square
            cols = min(100, across if across > 1 else math.ceil(math.sqrt(len(points))))
            rows = 100
    elif args.count or not classes:
        labels = np.resize(columns, args.count or rows * cols)
    else:  # a row shares its latent point, a column its class
        points = generate_latent_points(parts, rows, (args.seed, 0)).repeat(cols, axis=0)
        labels = np.tile(np.resize(columns, cols), rows)
        set_classes(points, labels, parts)
    return points, labels, min(rows, math.ceil(len(labels) / cols)), cols


def run_model(model, points, labels, latent, label):
    """Return the generator's images (n, height, width, channels), unscaled, as float32."""
    feed = [None] * len(model.inputs)
    feed[latent] = points.reshape(-1, *model.inputs[latent].shape[1:])
    if label is not None:
        feed[label] = labels.reshape(-1, *model.inputs[label].shape[1:])
        feed[label] = feed[label].astype(model.inputs[label].dtype)
    try:
        with quiet_stderr():
            # Not predict(): that prints progress and costs tens of milliseconds each time.
            output = model.predict_on_batch(feed if len(feed) > 1 else feed[0])
        output = output.astype(np.float32)
    except Exception as error:
        fail(f"the generator does not run here: {str(error)[:300]}")
    if not np.isfinite(output).all():
        fail("the generator gives no finite numbers: training diverged, take an earlier snapshot")
    return output.reshape(-1, *image_shape(model.output_shape))


def draw_images(model, inputs, about, points, labels, seed):
    """Yield batches: images (n, height, width, channels) in [0, 1], latent points, classes.

    `points` and `labels` are those of `plan_images`, `inputs` those of `find_inputs`.
    """
    parts, pixel_range = about["latent"], about["pixel_range"]
    for start in range(0, len(labels), BATCH):
        batch_labels = labels[start : start + BATCH]
        if points is None:
            batch = generate_latent_points(parts, len(batch_labels), (seed, start // BATCH))
            set_classes(batch, batch_labels, parts)
        else:
            batch = points[start : start + BATCH]
        images = run_model(model, batch, batch_labels, *inputs)
        if pixel_range is None:
            pixel_range = (-1, 1) if images.min() < -0.2 else (0, 1)
            warn(f"the range of the pixels is guessed: {pixel_range[0]} to {pixel_range[1]}")
        low, high = pixel_range
        yield ((images - low) / (high - low)).clip(0, 1), batch, batch_labels


def tile(images, rows, cols):
    """Lay images (n, h, w, c) in [0, 1] out on a white sheet, row by row, enlarged to be seen.

    Returns (height, width, c); pixels are repeated a whole number of times, so edges stay sharp.
    """
    h, w, c = images.shape[1:]
    scale = max(1, min(10, 900 // (max(rows, cols) * max(h, w))))
    h, w, gap = h * scale, w * scale, 2
    white = 0.0 if c == 1 else 1.0  # the colour map gray_r turns 0 into white
    sheet = np.full((rows * (h + gap) + gap, cols * (w + gap) + gap, c), white, np.float32)
    for i, image in enumerate(images[: rows * cols]):
        top, left = gap + i // cols * (h + gap), gap + i % cols * (w + gap)
        sheet[top : top + h, left : left + w] = image.repeat(scale, 0).repeat(scale, 1)
    return sheet


@contextlib.contextmanager
def replacing(path):
    """Yield a name beside `path` to write to; rename it to `path` once that has succeeded."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def npz_writer(path, shape, arrays):
    """Write an .npz file batch by batch, where np.savez would need all images at once.

    Yields an open file that takes the bytes of the images, float32 of `shape` (n, h, w, c). The
    dict `arrays`, which may be filled meanwhile, holds what follows them.
    """
    header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:  # may exceed 2 GiB
            np.lib.format.write_array_header_1_0(file, header)
            yield file
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)


def save_grid(path, images, rows, cols):
    """Write images (n, h, w, c) in [0, 1] as one PNG, grey ones dark on white as in tutorials."""
    import matplotlib.image

    sheet = tile(images, rows, cols)
    grey = {"cmap": "gray_r", "vmin": 0, "vmax": 1} if sheet.shape[2] == 1 else {}
    with replacing(path) as part:
        matplotlib.image.imsave(part, sheet[:, :, 0] if grey else sheet, format="png", **grey)


def save_images(folder, images, labels, classes, counts):
    """Write images (n, h, w, c) in [0, 1] as 8-bit PNG files with the pixels the generator gave.

    With classes each class has its sub-folder, as the training scripts' --data takes them. `counts`
    is a Counter of the files written so far, by sub-folder.
    """
    import keras

    for i, image in enumerate(images):
        # Numbers of one length, so that sorting the names sorts the classes.
        name = f"{labels[i]:0{len(str(classes - 1))}d}" if classes else "."
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / name / f"image_{counts[name]:05d}.png"
        pixels = np.rint(image * 255)
        keras.utils.save_img(path, pixels, data_format="channels_last", scale=False)
        counts[name] += 1


def parse_grid(text):
    """Return (rows, columns) of a text such as 5x5."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    rows, cols = (int(size) for size in match.groups()) if match else (0, 0)
    if not (1 <= rows <= 100 and 1 <= cols <= 100):
        raise argparse.ArgumentTypeError(f"{text!r} is not ROWSxCOLUMNS, each 1 to 100, as in 5x5")
    return rows, cols


def parse_labels(text):
    """Return the classes, a list of int, of a text such as 3, 0-9 or 0,2,5-7."""
    labels = []
    for item in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", item)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of classes such as 3 or 0,2,5-7")
        labels.extend(range(first, last + 1))
    return labels


def parse_vector(text):
    """Return the points of --vector: a number as an array (), a .npy file as (n, width)."""
    try:
        vector = np.asarray(float(text), np.float32)
    except ValueError:
        try:
            vector = np.atleast_2d(np.load(text, allow_pickle=False)).astype(np.float32)
        except Exception:  # np.load has no common exception for a file that is something else
            message = f"{text!r} is neither a number nor a .npy file of numbers"
            raise argparse.ArgumentTypeError(message) from None
    if vector.ndim not in (0, 2) or not vector.size or not np.isfinite(vector).all():
        raise argparse.ArgumentTypeError(f"{text!r} holds no finite points (width,) or (n, width)")
    return vector


def parse_args(argv):
    """Read the command line; mistakes that show without the model end the program here."""
    parser = argparse.ArgumentParser(
        prog="generate.py",
        description="Sample a trained generator and write the images as one picture.",
        allow_abbrev=False,
    )
    parser.error = fail  # one line, without the usage
    add = parser.add_argument
    add("model", metavar="MODEL.h5", type=Path, help="generator, as saved with model.save()")
    add(
        "--out",
        metavar="FILE.png",
        type=Path,
        help="the picture (default: MODEL_samples.png in the current folder)",
    )
    add(
        "--grid",
        metavar="RxC",
        type=parse_grid,
        help="its rows and columns (default: 5x5; with classes 10 rows, each of one latent point, "
        "and a column for each class)",
    )
    add("--seed", metavar="N", type=int, default=1, help="of the random numbers (default: 1)")
    add(
        "--labels",
        metavar="L",
        type=parse_labels,
        help="classes of the columns: 3 or 0-9 or 0,2,5-7 (default: all; with --vector 0)",
    )
    add(
        "--vector",
        metavar="V",
        type=parse_vector,
        help="latent points to use: a number, for all coordinates of one point, or a .npy file "
        "(width,) or (n, width)",
    )
    add(
        "--count",
        metavar="N",
        type=int,
        help="images for --images and --npz, each of its own latent point, classes in turn; the "
        "picture shows the first",
    )
    add(
        "--images",
        metavar="DIR",
        type=Path,
        help="write the images as PNG files into a new folder, by class if there are classes",
    )
    add(
        "--npz",
        metavar="FILE.npz",
        type=Path,
        help="write images (n, h, w, c) in [0, 1], and labels and codes if there are any",
    )
    add("--show", action="store_true", help="open the picture in a window")
    args = parser.parse_args(argv)
    args.out = args.out or Path(f"{args.model.stem}_samples.png")
    if args.seed < 0 or (args.count is not None and args.count < 1):
        fail("--seed starts at 0 and --count at 1")
    if args.images and not args.count:
        fail("--images needs --count N, the number of images")
    if args.count and not (args.images or args.npz):
        fail("--count needs --images DIR or --npz FILE.npz; for a larger picture use --grid RxC")
    if args.count and args.vector is not None:
        fail("--count draws points at random: give it or --vector, not both")
    for path, suffix in ((args.out, ".png"), (args.npz, ".npz"), (args.images, "")):
        if path and suffix and path.suffix.lower() != suffix:
            fail(f"{path}: the name must end in {suffix}")
        if path and suffix and path.is_dir():
            fail(f"{path} is a folder: give the name of a file")
        if path and not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            fail(f"cannot write to the folder {path.parent}: create it or choose another")
    if args.images and args.images.exists():
        if not args.images.is_dir() or any(args.images.iterdir()):
            fail(f"{args.images} is not an empty folder: choose a new one")
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    config, about = read_model_file(args.model)
    model = load_generator(args.model, config)
    inputs = find_inputs(model)
    about = about or describe(model, *inputs)
    check_description(about, model, *inputs)
    parts, classes = about["latent"], about["classes"]
    points, labels, rows, cols = plan_images(args, parts, classes)

    batches = draw_images(model, inputs, about, points, labels, args.seed)
    n, shape = len(labels), image_shape(model.output_shape)
    arrays = {"labels": labels} if classes else {}
    npz = npz_writer(args.npz, (n, *shape), arrays) if args.npz else contextlib.nullcontext()
    shown, codes, counts = [], [], collections.Counter()
    try:
        with npz as file:
            for images, batch, batch_labels in batches:
                shown.extend(images[: rows * cols - len(shown)])
                codes.append(batch[:, part_columns(parts, "uniform")])
                if args.images:
                    save_images(args.images, images, batch_labels, classes, counts)
                if args.npz:
                    file.write(images)
            save_grid(args.out, np.array(shown), rows, cols)
            if about["kind"] == "infogan":
                arrays["codes"] = np.concatenate(codes)
    except OSError as error:
        fail(f"cannot write {error.filename or args.npz or args.out}: {error.strerror or error}")
    except KeyboardInterrupt:
        warn("interrupted")
        raise SystemExit(130) from None
    places = {args.out: min(n, rows * cols), args.images: n, args.npz: n}
    done = [f"{k} image{'s' if k > 1 else ''} in {path}" for path, k in places.items() if path]
    print(", ".join(done))
    if args.show:
        show(args.out)


def show(path):
    """Open a picture in a window and wait until it is closed."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() == "agg":
        fail(f"--show: no window can be opened here; the picture is in {path}")
    plt.imshow(plt.imread(path))
    plt.axis("off")
    plt.show()


if __name__ == "__main__":
    main()
