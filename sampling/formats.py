"""Read what the file of a generator holds, of whatever format: its content tells, not its name.

    HDF5      model.save("x.h5"), the whole model; or its weights alone
    .keras    model.save("x.keras"): a zip file of config.json, metadata.json and model.weights.h5
    JSON      model.to_json(), the model's description; its weights lie in a file beside it

Nothing is unpacked to a place that a file names, and no code in a file is run.
"""

import contextlib
import json
import os
import shutil
import stat
import tempfile
import typing
import zipfile
from pathlib import Path

import h5py

from sampling import checks, weights
from sampling.checks import GeneratorFileError
from sampling.program import plain

N_LOOKED_AT = 1024  # bytes of a file that tell what it is
MOST_TEXT = 2**23  # bytes of a model's description
MOST_PACKED = 100  # times smaller than they are: weights cannot be packed so well, but zeros can
PARTS = ("config.json", "metadata.json", "model.weights.h5")  # of a .keras file
# What is put behind X for the weights of the model that X.json describes, the likeliest one first.
ENDINGS = ("_weights.hdf5", "_weights.h5", ".weights.h5", ".h5", ".hdf5")
SAVE = "model.save('NAME.h5')"  # which every Keras can do
SAVED_MODEL = (
    "is a SavedModel of TensorFlow, no file of Keras: where it was made, build the model again or "
    f"load it with tf.keras.models.load_model, and save it with {SAVE}"
)


class Stored(typing.NamedTuple):
    """What is stored of a generator."""

    model: dict | None  # the description of its model; None where only weights are stored
    about: dict | None  # its account of itself, see files.py; None where there is none
    version: str  # of the Keras that wrote it
    source: Path  # the HDF5 file that holds the weights
    layout: str  # of that file, see weights.py
    shapes: dict  # of the weights: {names that lead to them in that file: shape}


@contextlib.contextmanager
def opened(path):
    """Read the file of a generator; yield what is `Stored`, all checked but what needs Keras.

    Its `source` is there until the end: the weights of a .keras file are unpacked into a temporary
    folder. Raises GeneratorFileError for a file that cannot be read, holds no model, or holds one
    that is not to be built.
    """
    path = Path(path)
    source = path
    described = None
    form = tell_format(path)
    if form == "json":
        described = read_json(path)
        source = find_weights(path)
        form = tell_format(source)
    with contextlib.ExitStack() as stack:
        if form == "keras":
            stored = read_keras(source, stack)
        elif form == "hdf5":
            stored = read_hdf5(source, source)
            if stored.model is None:
                if described is None:
                    described = read_json(find_description(source))
                model, version = described
                stored = stored._replace(model=model, version=version)
        else:
            raise GeneratorFileError(f"{source} holds no weights: save the model with {SAVE}")
        check_model(path, stored)
        yield stored


# ---- what a file is ------------------------------------------------------------------------------


def tell_format(path):
    """Return "hdf5", "keras" or "json"; raise GeneratorFileError for a file that is neither."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for ever
            raise OSError(0, "not a file")
        with open(path, "rb") as file:
            head = file.read(N_LOOKED_AT)
    except OSError as error:
        raise GeneratorFileError(
            f"cannot read {path} ({error.strerror}): give the .h5 or .keras file of a trained "
            "generator"
        ) from None
    if head.startswith(b"PK\x03\x04"):
        return tell_zip(path)
    if h5py.is_hdf5(path):
        return "hdf5"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b'"')):
        return "json"
    raise GeneratorFileError(f"{path} {name_content(head, path.name)}")


def tell_zip(path):
    """Return "keras" for a .keras file; raise GeneratorFileError for any other zip file."""
    with naming(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if set(PARTS) <= set(names):
            return "keras"
        if any(Path(name).name == "data.pkl" for name in names):
            raise GeneratorFileError("is a file of PyTorch, which Keras does not read")
        if any(Path(name).name == "saved_model.pb" for name in names):
            raise GeneratorFileError(f"is a packed folder, which {SAVED_MODEL}")
        if "config.json" in names:
            missing = " and ".join(name for name in PARTS if name not in names)
            raise GeneratorFileError(f"is a .keras file without {missing}: save it with {SAVE}")
        raise GeneratorFileError(
            "is a zip file, but no .keras file: unpack it and give the generator in it"
        )


def name_content(head, name):
    """Say what a file is that holds no generator, by the bytes it begins with and its name."""
    text = head.lstrip().lower()
    if not head:
        return "is empty: copy it again, or take another snapshot"
    if head.startswith(b"version https://git-lfs.github.com/spec/v1"):
        return "is a Git LFS pointer, not the file itself: git lfs pull"
    if text.startswith(b"<") and (b"<html" in text or b"<!doctype html" in text):
        return "is a web page, not the file itself: download what the page shows"
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return f"is a pickle, of PyTorch perhaps: give a generator of Keras, saved with {SAVE}"
    if head.startswith(b"\x1f\x8b"):
        return "is packed with gzip: unpack it first"
    if name == "saved_model.pb":
        return f"is a part of a folder that {SAVED_MODEL}"
    return f"is no HDF5 file and no .keras file: give a generator saved with {SAVE}"


# ---- reading -------------------------------------------------------------------------------------


@contextlib.contextmanager
def naming(path):
    """Put the name of the file before the text of an error; make any error a GeneratorFileError."""
    try:
        yield
    except GeneratorFileError as error:
        raise GeneratorFileError(f"{path} {error}") from None
    except Exception as error:  # h5py, zipfile and JSON raise of every kind for what is damaged
        raise GeneratorFileError(
            f"{path} is damaged or incomplete, take another snapshot ({plain(error)})"
        ) from None


def read_hdf5(source, path):
    """Read the HDF5 file `source`, which users know as `path`; return what is `Stored`.

    Another process reads it first.
    """
    with naming(path):
        checks.check_readable(source, os.stat(source).st_mtime_ns)
        stored = read_here(source)
    if stored.about is None:
        return stored
    return stored._replace(about=checks.check_description(path, stored.about))


def read_here(source):
    """Read an HDF5 file in this process: the part of `read_hdf5` that can crash."""
    with h5py.File(source, "r") as file:
        version = file.attrs.get("keras_version", "2")
        if isinstance(version, bytes):
            version = version.decode()
        return Stored(
            model=json.loads(file.attrs.get("model_config", "null")),
            about=json.loads(file.attrs.get("gan", "null")),
            version=str(version),
            source=source,
            layout=weights.tell_layout(file),
            shapes=checks.check_storage(file),
        )


def read_keras(path, stack):
    """Read a .keras file; return what is `Stored`, its weights unpacked until the `stack` ends."""
    with naming(path), zipfile.ZipFile(path) as archive:
        for name in PARTS:
            check_packed(archive.getinfo(name))
        model = json.loads(archive.read("config.json"))
        version = json.loads(archive.read("metadata.json"))["keras_version"]
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="generator_"))
            source = Path(folder, "weights.h5")
            with archive.open("model.weights.h5") as packed, open(source, "wb") as file:
                shutil.copyfileobj(packed, file)
        except OSError as error:
            raise GeneratorFileError(f"cannot be unpacked into a folder ({error})") from None
    stored = read_hdf5(source, path)
    if stored.layout != "numbers":
        raise GeneratorFileError(f"{path} holds its weights as Keras does not: save it with {SAVE}")
    return stored._replace(model=model, version=str(version))


def check_packed(part):
    """Raise GeneratorFileError for a part of a zip file that is too large, once it is unpacked."""
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise GeneratorFileError(f"is packed as Keras does not pack: save it with {SAVE}")
    most = checks.MOST_BYTES if part.filename == "model.weights.h5" else MOST_TEXT
    dense = part.file_size > MOST_PACKED * part.compress_size and part.file_size > MOST_TEXT
    if part.file_size > most or dense:
        raise GeneratorFileError(f"holds more in {part.filename} than a generator has")


# ---- a description, and the weights beside it ----------------------------------------------------


def read_json(path):
    """Return the model that a JSON file describes, and the version of Keras, which may be "3"."""
    try:
        if tell_format(path) != "json":
            raise ValueError("no JSON")
        if path.stat().st_size > MOST_TEXT:
            raise ValueError("too long")
        model = json.loads(path.read_bytes())
        if isinstance(model, str):  # json.dump(model.to_json(), file) packs it twice
            model = json.loads(model)
        if not {"class_name", "config"} <= set(model):
            raise ValueError("something else")
    except GeneratorFileError:
        raise
    except Exception as error:  # of many kinds, for what json.loads returns may be anything
        raise GeneratorFileError(
            f"{path} is no description of a model ({plain(error)}): give a generator saved with "
            f"{SAVE}"
        ) from None
    return model, str(model.get("keras_version", "3"))  # which Keras 3 does not write


def find_weights(path):
    """Return the file with the weights of the model that the JSON file `path` describes."""
    for ending in ENDINGS:
        candidate = path.with_name(path.stem + ending)
        if candidate.is_file() and candidate != path:
            return candidate
    name = f"{path.stem}.weights.h5"
    raise GeneratorFileError(
        f"{path} holds only the description of a model, no weights: put {name} beside it, "
        f"written by model.save_weights('{name}'), or save both with {SAVE}"
    )


def find_description(path):
    """Return the JSON file that describes the model whose weights `path` holds."""
    names = [path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending)]
    candidates = [path.with_name(f"{name}.json") for name in names or [path.stem]]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise GeneratorFileError(
        f"{path} holds only weights, no model: put {candidates[0].name} beside it, the text of "
        f"model.to_json(), or save both with {SAVE}"
    )


# ---- checking ------------------------------------------------------------------------------------


def check_model(path, stored):
    """Raise GeneratorFileError, with the name of the file, for a model that is not to be built."""
    try:
        if stored.version.startswith("2") and '"hard_sigmoid"' in json.dumps(stored.model):
            raise GeneratorFileError(
                f"uses the hard_sigmoid of Keras {plain(stored.version)}, which is another curve "
                "in Keras 3"
            )
        shapes = weights.shapes_by_layer(stored.model, stored.layout, stored.shapes)
        checks.check_layers(stored.model, shapes)
    except GeneratorFileError as error:
        raise GeneratorFileError(f"{path} {error}") from None
    except Exception as error:  # a description that is none
        raise GeneratorFileError(
            f"{path} holds a model that Keras 3 cannot rebuild: {plain(error)}"
        ) from None
