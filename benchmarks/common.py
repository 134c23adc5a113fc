"""What the benchmarks share: the machine's description, the scripts' loops, results as CSV."""

import csv
import datetime
import importlib
import inspect
import os
import platform
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
SCRIPTS += ["ebgan_mnist", "mlp_gan", "colour_gan", "infogan_labelled", "faces_gan"]


def find(name, root=ROOT):
    """Return the path of a script in a checkout; end the program if it is not there."""
    for path in (Path(root, f"{name}.py"), Path(root, "variants", f"{name}.py")):
        if path.exists():
            return path
    raise SystemExit(f"{root} has no {name}.py")


def load(name, root=ROOT):
    """Import a script of a checkout: a process can import each from one checkout only."""
    sys.path.insert(0, str(find(name, root).parent))
    return importlib.import_module(name)


def build(name, *flags, root=ROOT):
    """Build what `python NAME.py FLAGS` would train, on the images of samples/.

    Returns:
        the script as a module, and what its main gives to its `train`, by name: g_model, d_model,
        gan_model, dataset (NumPy arrays: uint8 images or, where the script uses labels, a list of
        them, int32 labels and the names of the classes), latent_dim, n_batch, run, ...; in a
        checkout from before version 0.10 settings instead of what follows the dataset.
    """
    script = load(name, root)
    sample = "objects.npz" if script.IMAGE_SHAPE[-1] == 3 else "digits.npz"
    data = str(ROOT / "samples" / sample)
    signature = inspect.signature(script.train)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(script, "train", return_value=None) as train,
        mock.patch("signal.signal"),  # Ctrl-C ends a benchmark at once
    ):
        script.main(["--data", data, "--out", folder, *flags])
    return script, signature.bind(*train.call_args.args).arguments


def images_and_labels(dataset):
    """Return the images of a dataset and its labels, or None where the script uses none."""
    if isinstance(dataset, list):
        images, labels, _ = dataset
        return images, labels
    return dataset, None


def make_run(name, *flags, root=ROOT):
    """Compile a script's loop; return run(n), which trains n batches as the script does, and waits.

    The script may be of an older checkout: without BATCHES_PER_CALL a call trains any number.
    """
    script, given = build(name, *flags, root=root)
    if "settings" in given:
        train_batches = compile_loop_before_0_10(script, **given)
    else:
        train_batches = compile_loop(script, given)

    def run(n):
        size = getattr(script, "BATCHES_PER_CALL", n)
        for step in range(0, n, size):
            k = min(size, n - step)
            train_batches(step, k)[:k].numpy()  # waits for the device

    return run


class Compiled(Exception):
    """Carries the compiled loop out of a script's `train`, before the first batch."""


def compile_loop(script, given):
    """Let a script's `train` prepare a run and compile its loop; return train_batches(step, n)."""
    compile_batches = script.compile_batches

    def leave(train_batch):
        raise Compiled(compile_batches(train_batch))

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(script, "compile_batches", leave),
    ):
        given["run"].out = Path(folder)
        try:
            script.train(**given)
        except Compiled as compiled:
            return compiled.args[0]


def compile_loop_before_0_10(script, g_model, d_model, gan_model, dataset, settings):
    """Compile the loop of a script that takes its settings as one object."""
    dataset = script.tf.nest.map_structure(script.tf.constant, dataset)
    return script.make_train_step(g_model, d_model, gan_model, dataset, settings)


def describe_machine():
    """Return a line on the processor, Python and the packages, for beside the figures."""
    load(SCRIPTS[0])  # it chooses Keras' backend
    import keras
    import numpy as np
    import tensorflow as tf

    with open("/proc/cpuinfo") as file:
        model = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, NumPy {np.__version__}"
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of an {model}, Python {platform.python_version()}, {versions}"


def write_results(name, rows, note):
    """Write dicts of one set of keys as benchmarks/results/NAME.csv, under the note as a comment.

    The note says what was run, on what machine; the date is added.
    """
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{name}.csv", "w", newline="") as file:
        file.write(f"# {datetime.date.today()}, {note}\n")
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_results(name):
    """Return the rows of benchmarks/results/NAME.csv as dicts of text; none if it is not there."""
    path = RESULTS / f"{name}.csv"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))
