"""What the benchmarks share: the machine's description, the scripts' steps, results as CSV."""

import csv
import datetime
import importlib
import os
import platform
import sys
import tempfile
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
SCRIPTS += ["ebgan_mnist", "mlp_gan"]


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
        the script as a module, g_model, d_model, gan_model, dataset (NumPy arrays: uint8 images,
        or a list of them and int32 labels where the script uses those), settings: but for the
        first, what the script gives to its `train`.
    """
    script = load(name, root)
    sample = "objects.npz" if script.IMAGE_SHAPE[-1] == 3 else "digits.npz"
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(script, "train") as train:
        train.return_value = None  # the training came to its end
        script.main(["--data", str(ROOT / "samples" / sample), "--out", folder, *flags])
    return script, *train.call_args.args


def make_run(name, *flags, root=ROOT):
    """Compile a script's step; return run(n), which trains n batches as the script does, and waits.

    The script may be of a checkout from before BATCHES_PER_CALL: a call then trains any number.
    """
    script, *models, dataset, settings = build(name, *flags, root=root)
    dataset = script.tf.nest.map_structure(script.tf.constant, dataset)
    train_step = script.make_train_step(*models, dataset, settings)

    def run(n):
        size = getattr(script, "BATCHES_PER_CALL", n)
        for step in range(0, n, size):
            k = min(size, n - step)
            train_step(step, k)[:k].numpy()  # waits for the device

    return run


def describe_machine():
    """Return a line on the processor, Python and the packages, for beside the figures."""
    load(SCRIPTS[0])  # it imports TensorFlow without TensorFlow's notes
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
