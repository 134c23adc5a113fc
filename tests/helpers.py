"""What several test files need: the scripts, their models, runs of them, and looking at grids."""

import importlib
import inspect
import json
import re
import subprocess
import sys
import tempfile
from unittest import mock

import copies
import h5py
import keras
import matplotlib.image
import numpy as np
import pytest
from conftest import ROOT

PATHS = {path.stem: path for path in copies.training_scripts()}
SCRIPTS = list(PATHS)
DIGITS, OBJECTS = ROOT / "samples/digits.npz", ROOT / "samples/objects.npz"
COLOUR = ("cifar10_gan", "colour_gan", "faces_gan")
LABELLED = ("cgan_mnist", "acgan_mnist", "infogan_labelled")
INFOGANS = ("infogan_mnist", "infogan_labelled")
COUNTS = {  # of parameters: D, G, composite, and what it trains; the tutorials' figures
    "mnist_gan": (40_705, 1_164_289, 1_204_994, 1_164_289),
    "cifar10_gan": (522_497, 1_466_115, 1_988_612, 1_466_115),
    "cgan_mnist": (541_345, 1_494_520, 2_035_865, 1_490_936),
    "acgan_mnist": (527_627, 3_757_176, 4_284_803, 3_756_792),
    "infogan_mnist": (6_561_473, 6_667_201, 13_361_934, 6_785_485),  # 133,260 more are Q's own
    "infogan_labelled": (6_689_613, 6_635_265, 13_324_878, 6_620_545),
    "ebgan_mnist": (804_112, 1_493_520, 2_297_632, 1_489_936),
    "mlp_gan": (1_460_225, 1_486_352, 2_946_577, 1_486_352),
    "colour_gan": (1_704_961, 3_838_720, 5_543_681, 3_835_136),
    "faces_gan": (1_649_153, 1_110_403, 2_759_556, 1_110_403),  # of 32x32, see test_faces.py
}


def data_of(name):
    """Return the shipped data set for a script: photographs or digits."""
    return OBJECTS if name in COLOUR else DIGITS


SMALLEST = {"faces_gan": ["--size", "32"]}  # flags for images as small as a script can draw


def shape_of(script):
    """Return the shape of the images that a script is tried with."""
    return (32, 32, 3) if script.__name__ in SMALLEST else script.IMAGE_SHAPE


def random_data(script):
    """Return what load_real_samples does, for 100 images of random pixels."""
    rng = np.random.default_rng(3)
    shape = shape_of(script)
    images = rng.integers(0, 256, (100, *shape), dtype=np.uint8)
    labels = rng.integers(0, 10, 100, dtype=np.int32)
    names = [str(k) for k in range(10)]
    return [images, labels, names] if script.__name__ in LABELLED else images


def prepare(name, *flags):
    """Return a script as a module and what its main hands to `train`, by name, with random data.

    The models are the same ones at every call. The run has a folder of its own.
    """
    script = importlib.import_module(name)
    handed = {}

    def train(*args):
        handed.update(signature.bind(*args).arguments)

    signature = inspect.signature(script.train)
    stand_ins = {"load_real_samples": lambda *given: random_data(script), "train": train}
    out = tempfile.mkdtemp()
    if script.DATASET is None:  # it has to be told which data; those here are random
        flags = ["--data", "random", *SMALLEST[name], *flags]
    with mock.patch.multiple(script, **stand_ins), mock.patch.object(script.Run, "end_on_signals"):
        script.main(["--seed", "3", "--out", out, *map(str, flags)])
    return script, handed


def d_optimizer(handed):
    """Return the optimizer of D's update once it is compiled: infogan_mnist's moves Q, too."""
    if "n_cat" in handed:
        return handed["gan_model"].get_layer("d_and_q").optimizer
    return handed["d_model"].optimizer


class Compiled(Exception):
    """Carries the compiled loop out of a script's `train`."""


def compiled_loop(script, handed):
    """Compile a script's batch as its `train` does; return the compiled loop over it."""
    compile_batches = script.compile_batches

    def leave(train_batch):
        raise Compiled(compile_batches(train_batch))

    with mock.patch.object(script, "compile_batches", leave):
        with mock.patch.object(script.Run, "claim_folder"):
            try:
                script.train(**handed)
            except Compiled as compiled:
                return compiled.args[0]


def step(script, handed):
    """Compile a script's batch; return train(first, n): n batches' losses (n, len(LOSSES))."""
    train_batches = compiled_loop(script, handed)

    def train(first, n):
        calls = range(first, first + n, script.BATCHES_PER_CALL)
        sizes = [min(script.BATCHES_PER_CALL, first + n - k) for k in calls]
        losses = [train_batches(k, m)[:m] for k, m in zip(calls, sizes, strict=True)]
        return np.concatenate(losses)

    return train


def values(weights):
    return [weight.numpy() for weight in weights]


def learned(model):
    """Return the weights of a model but for the running averages of BatchNormalization."""
    return [weight for weight in model.weights if "moving_" not in weight.path]


def moved(before, weights):
    """Return for each weight whether it changed."""
    return [not np.array_equal(a, b) for a, b in zip(before, values(weights), strict=True)]


def run(folder, *command, **kwargs):
    """Run a command in a folder and return the finished process, its output as text.

    What TensorFlow says when it starts is left out of stderr.
    """
    command = [sys.executable, *map(str, command)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, **kwargs)
    done.stderr = without_start(done.stderr)
    return done


def without_start(stderr):
    """Return a program's stderr without the lines of TensorFlow's start."""
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"WARNING: All log |[IWE]\d{4} ", line))


def losses_of(folder):
    """Return a run's losses.csv with named columns."""
    return np.genfromtxt(f"{folder}/losses.csv", delimiter=",", names=True, ndmin=1)


def cells(path, height, width, margin=1, zoom=2):
    """Cut a grid picture into its images: (rows, columns, height, width, 3) in [0, 1]."""
    picture = matplotlib.image.imread(path)[::zoom, ::zoom, :3]
    step_y, step_x = height + 2 * margin, width + 2 * margin
    rows, columns = picture.shape[0] // step_y, picture.shape[1] // step_x
    picture = picture[: rows * step_y, : columns * step_x]
    picture = picture.reshape(rows, step_y, columns, step_x, 3).swapaxes(1, 2)
    return picture[:, :, margin : margin + height, margin : margin + width]


def grid_point(name, row, column):
    """Return what a script's generator is fed for one image of the grids of a run by default."""
    script = importlib.import_module(name)
    seed = (script.DEFAULTS.get("seed", 1), -1)
    if name == "infogan_mnist":
        points, _, codes = script.generate_latent_points(62, 10, 2, 10, seed)
        return np.concatenate([points[row, :62], np.eye(10)[column], codes[row]])[None]
    if name == "infogan_labelled":  # code 1 grows downwards, code 2 to the right
        _, _, noise = script.generate_latent_points(38, 100, seed=seed)
        codes = 0.0001 + 0.99989 * np.array([row, column]) / 9
        return np.concatenate([np.eye(10)[column], codes, noise[10 * row + column]])[None]
    if name in LABELLED:
        noise, _ = script.generate_latent_points(100, 10, seed=seed)
        return [noise[row][None], np.array([[column]])]
    n_columns = 7 if name == "cifar10_gan" else 10
    return script.generate_latent_points(100, 150, seed)[n_columns * row + column][None]


def description(path):
    """Return what a generator's file says of itself."""
    with h5py.File(path) as file:
        return json.loads(file.attrs["gan"])


def refused(name, capsys, *flags):
    """Return the one line with which a script refuses its flags."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(name).main(list(map(str, flags)))
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith(f"{name}.py: error: ") and error.count("\n") == 1, error
    return error


def save_pictures(folder, images, labels):
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / str(label) / f"{i:03d}.png", image, scale=False)
