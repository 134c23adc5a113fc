"""Open the file of a trained generator: check it, rebuild its model, and say how to feed it.

`open_generator(path)` returns the model and a dict that describes it; whatever stands in the way is
a `GeneratorFileError`, whose text is one line for the user. `read_description(path)` reads the file
alone, in a quarter of a second, where TensorFlow takes seconds to start.

It is .h5 or .keras of Keras 2.2 or later, or a model's description in JSON with weights beside it:
formats.py reads it, and checks.py refuses what is not to be built.

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
    grid         how its run lays out its pictures, {"size": [rows, columns], "noise": "cell" or
                 "row"} and perhaps "codes" and "sheet": see points.grid_layout
    script, epoch, seed, averaged, settings, data, versions: where the generator came from

For a file of another tutorial the first six are worked out from its model, see describe.py. Models
of Keras 2 are described in another dialect, which keras2.py rewrites.
"""

import functools
import gc
import importlib.util
import json
import os
import re
import tempfile
from pathlib import Path

import h5py

from sampling.checks import GeneratorFileError
from sampling.describe import check_fit, describe, find_inputs, image_shape
from sampling.formats import SAVED_MODEL, opened
from sampling.keras2 import upgrade_layer
from sampling.program import quiet_stderr, replacing
from sampling.weights import load_weights

__all__ = [
    "choose_snapshot",
    "describe",
    "export",
    "find_inputs",
    "image_shape",
    "list_snapshots",
    "open_generator",
    "read_description",
    "start_tensorflow",
    "why_no_snapshot",
]


def list_snapshots(folder):
    """Return the snapshots of a run, generator_model_NNN.h5, in the order of their epochs."""
    snapshots = {}
    for path in folder.glob("generator_model_*.h5"):
        match = re.fullmatch(r"generator_model_(\d+)", path.stem)
        if match:
            snapshots[path] = int(match[1])
    return sorted(snapshots, key=snapshots.get)


def choose_snapshot(path):
    """Return the snapshot to sample, what evaluate.py found of it, and its place in the run.

    That of a file is the file itself and its place ""; that of a run's folder is the "best", where
    evaluate.py was there, or else the "last". What it found, with "map" and "class_names", is of a
    run's best snapshot alone. Raises GeneratorFileError where there is no snapshot, or what was
    found is damaged.
    """
    folder = path if path.is_dir() else path.parent
    try:
        best, meaning = read_best(folder)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        if path.is_dir():
            raise GeneratorFileError(
                f"{folder / 'best.json'} is damaged: run evaluate.py again, or remove it"
            ) from None
        return path, {}, ""  # beside a single file it may be anybody's
    if not path.is_dir():
        if best == path.name:
            return path, meaning, ""
        return path, {}, ""
    if best is None:
        snapshots = list_snapshots(folder)
        if not snapshots:
            raise GeneratorFileError(f"{folder} {why_no_snapshot(folder)}")
        return snapshots[-1], meaning, "last"
    if not isinstance(best, str) or Path(best).name != best:
        raise GeneratorFileError(
            f"{folder / 'best.json'} names no file of its own folder: run evaluate.py again, or "
            "remove it"
        )
    snapshot = folder / best
    if not snapshot.is_file():
        raise GeneratorFileError(f"{folder} holds no snapshot {best}")
    return snapshot, meaning, "best"


def why_no_snapshot(folder):
    """Say what a folder is in which there is no snapshot of a run."""
    if (folder / "saved_model.pb").exists():
        return SAVED_MODEL
    return "holds no snapshot generator_model_NNN.h5: train first, or give a generator's file"


def read_best(folder):
    """Return the name of the best snapshot in a folder, or None, and what was found of it, a dict.

    Raises errors of many kinds for a best.json that evaluate.py has not written.
    """
    best = folder / "best.json"
    if not best.exists():
        return None, {}
    found = json.loads(best.read_text())
    meaning = {}
    if found.get("map"):
        meaning = {key: found[key] for key in ("map", "class_names")}
    return found["file"], meaning


def forget_missing_backend():
    """Remove MPLBACKEND from the environment where it names a package that is not installed.

    Every notebook sets it, also for the programs that it starts, and Matplotlib, which Keras
    imports, would end these.
    """
    backend = os.environ.get("MPLBACKEND", "")
    if backend.startswith("module://"):
        package = backend.removeprefix("module://").partition(".")[0]
        if importlib.util.find_spec(package) is None:
            del os.environ["MPLBACKEND"]


@functools.cache  # once in a process
def start_tensorflow():
    """Import Keras and TensorFlow, quietly, and set them up for sampling; return TensorFlow."""
    forget_missing_backend()
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


def load_generator(path, stored):
    """Build the model that is `formats.Stored`, and load its weights.

    Returns a keras.Model. Raises GeneratorFileError, which names the file `path`, for whatever
    stands in the way of exactly that model.
    """
    start_tensorflow()
    import keras

    try:
        upgraded = upgrade_layer(stored.model)
        build = keras.Sequential if upgraded["class_name"] == "Sequential" else keras.Model
        model = build.from_config(upgraded["config"])
        model.inputs  # noqa: B018 - raises for a Sequential whose input shape was not stored
    except Exception as error:  # Keras has no common exception for a description it cannot use
        raise GeneratorFileError(
            f"{path} holds a model that Keras 3 cannot rebuild: {str(error)[:300]}"
        ) from None
    try:
        with h5py.File(stored.source, "r") as file:
            load_weights(model, stored.model, stored.layout, file)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise GeneratorFileError(
            f"{path} lacks weights of its model, take another snapshot ({error})"
        ) from None
    model.jit_compile = False  # XLA, the default on a GPU, takes seconds to compile
    return model


def read_description(path):
    """Return a file's account of itself, without TensorFlow; None for one of another tutorial.

    The dict has the members of format 1, "class_names" even where the file has none; its values
    are checked as far as that goes without the model. Raises GeneratorFileError.
    """
    with opened(path) as stored:
        return stored.about


def open_generator(path, parts=None, pixel_range=None):
    """Open the file of a trained generator, of this project or of a Keras 2 or 3 tutorial.

    `parts`, of the latent input, and `pixel_range`, (low, high), say what the file does not: the
    first is refused for one that describes itself, the second overrules it. Returns the
    keras.Model, whose inputs `find_inputs` tells apart and whose output has the `image_shape`, and
    its description, a dict as `read_description` or `describe` returns it; its "pixel_range" may be
    None, see draw.settle_range. Raises GeneratorFileError for everything that stands in the way.
    """
    with opened(path) as stored:
        about = stored.about
        if parts and about is not None:
            raise GeneratorFileError(
                f"--latent: {path} says itself what its latent input is made of: leave it out"
            )
        model = load_generator(path, stored)
    try:
        if about is None:
            about = describe(model, parts)
        check_fit(about, model)
    except GeneratorFileError as error:
        raise GeneratorFileError(f"{path}: {error}") from None
    if pixel_range:
        about["pixel_range"] = pixel_range
    return model, about


def export(source, target, known):
    """Copy a generator into a compressed .h5 file; add `known`, a dict, to what it says of itself.

    What is no whole model in HDF5 is saved as one first.
    """
    model, about = open_generator(source)
    with tempfile.TemporaryDirectory(prefix="generator_") as folder, opened(source) as stored:
        whole = stored.source
        if stored.layout != "model":
            whole = Path(folder, "generator.h5")
            with quiet_stderr():  # Keras advises against this format
                model.save(whole)
        with replacing(target) as part:
            copy_compressed(whole, part, about | known)


def copy_compressed(source, target, about):
    """Copy an .h5 file, compressed; `about` is what the copy says of itself."""
    with h5py.File(source, "r") as file, h5py.File(target, "w") as copy:

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
