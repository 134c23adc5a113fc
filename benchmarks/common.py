"""What the benchmarks share: the machine's description, the scripts' models, results as CSV."""

import csv
import datetime
import importlib
import os
import platform
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
SCRIPTS += ["ebgan_mnist", "mlp_gan"]
sys.path.insert(0, str(ROOT))


def build(name, *flags):
    """Build what `python NAME.py FLAGS` would train, on the images of samples/.

    Returns:
        the script as a module, g_model, d_model, gan_model, dataset (NumPy arrays, uint8 images,
        with int32 labels where the script uses them), settings: but for the first, what the script
        gives to its `train`.
    """
    script = importlib.import_module(name)
    sample = "objects.npz" if script.IMAGE_SHAPE[-1] == 3 else "digits.npz"
    given = []
    train, script.train = script.train, lambda *arguments: given.extend(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            script.main(["--data", str(ROOT / "samples" / sample), "--out", folder, *flags])
    finally:
        script.train = train
    return script, *given


def describe_machine():
    """Return a line on the processor, Python and the packages, for beside the figures."""
    importlib.import_module(SCRIPTS[0])  # it imports TensorFlow without TensorFlow's notes
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
    lines = path.read_text().splitlines() if path.exists() else []
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))
