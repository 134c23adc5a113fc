"""Look at the stages that a GAN's tutorial goes through before it trains.

    python tools/stages.py mnist_gan.py data             draw the first real images
    python tools/stages.py mnist_gan.py models           print and draw the three models
    python tools/stages.py mnist_gan.py untrained        draw the grid of an untrained generator
    python tools/stages.py mnist_gan.py discriminator    train D alone against random pixels

Any training script will do, here or elsewhere, and its own flags may follow the stage: --data,
--seed, --out, the folder of the pictures, ... A run that stands there is not touched. `models` and
`untrained` need no data.

The script is imported, and its `main` called with the stage in the place of `train`: it has the
models, the data and the settings of a run with these flags.
"""

import argparse
import ast
import importlib.util
import inspect
import math
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

N_BATCHES = 100  # that D trains alone
# functions that tell a training script from other files; the tools call or replace them
PARTS = {"generate_real_samples", "save_plot", "summarize_performance", "make_train_batch"}
PARTS |= {"train", "main"}
BEFORE = -1  # the epoch before the first, 0; a script numbers its grids from 1, so this one is
GRID = "generated_plot_e000.png"


def show_data(script, out, given):
    """Draw the first real images, 25 grey ones or 49 in colour as the tutorials do."""
    dataset = given["dataset"]
    images = dataset[0] if isinstance(dataset, list) else dataset
    side = 5 if images.shape[-1] == 1 else 7
    side = min(side, math.isqrt(len(images)))
    low, high = script.PIXEL_RANGE
    examples = low + (high - low) * (images[: side * side] / 255)
    scratch = given["run"].out
    script.save_plot(examples, BEFORE, n=side, out=scratch)
    shutil.copyfile(scratch / GRID, out / "data_plot.png")
    print(out / "data_plot.png")


def show_models(script, out, given):
    """Print the summaries of the three models and draw them with Graphviz."""
    models = {"discriminator": given["d_model"], "generator": given["g_model"]}
    models["gan"] = given["gan_model"]
    for model in models.values():
        model.optimizer = None  # once built, its own weights would be counted among the model's
        model.summary()
    try:
        for name, model in models.items():
            path = out / f"{name}_plot.png"
            # the default, "ortho", crashes Graphviz 2.43 where a model has two inputs
            script.keras.utils.plot_model(model, path, show_shapes=True, splines="spline")
            print(path)
    except ImportError:
        print("For the diagrams install Graphviz: apt-get install graphviz", file=sys.stderr)


def show_untrained(script, out, given):
    """Draw the grid that a run would draw after no epoch at all."""
    given["d_model"].jit_compile = False  # for evaluate(): it would compile longer than it runs
    names = inspect.signature(script.summarize_performance).parameters
    arguments = {name: given[name] for name in names if name in given}
    script.summarize_performance(BEFORE, **arguments)
    shutil.copyfile(given["run"].out / GRID, out / "untrained_plot.png")
    print(out / "untrained_plot.png")


def train_discriminator(script, out, given):
    """Train D alone to tell real images from random pixels; print a line per batch.

    Of D's outputs only the single number learns: the probability that an image is real or, where D
    was compiled without a loss, an energy, to be small for real images and settings.margin for
    others. Both kinds of images go through D in one batch: in a batch of one kind,
    BatchNormalization would take away what tells it from the other.
    """
    keras = script.keras
    tf = script.tf
    settings = given["run"].settings
    whole = given["d_model"]
    single = [output.shape[-1] for output in whole.outputs].index(1)
    d_model = keras.Model(whole.inputs, whole.outputs[single])
    weights = d_model.trainable_variables
    loss = None
    if whole.loss:
        losses = keras.tree.flatten(whole.loss)
        loss = keras.losses.get(losses[single])
    dataset = keras.tree.map_structure(tf.constant, given["dataset"])  # kept on the device
    low, high = script.PIXEL_RANGE
    half_batch = settings.batch_size // 2
    for i in range(N_BATCHES):
        seeds = tf.random.split((settings.seed, i), 2)
        X_real, y_real = script.generate_real_samples(dataset, half_batch, seeds[0])
        X_real, *labels = keras.tree.flatten(X_real)
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], low, high)
        X = [tf.concat([X_real, X_fake], axis=0)]
        if len(d_model.inputs) == 2:  # D sees the label, too: random pixels get those of the images
            X.append(tf.concat([*labels, *labels], axis=0))
        y = tf.concat([y_real, tf.zeros_like(y_real)], axis=0)
        with tf.GradientTape() as tape:
            answers = d_model(X, training=True)
            real, fake = tf.split(answers, 2)
            if loss is None:
                d_loss = tf.reduce_mean(real + tf.maximum(0.0, settings.margin - fake))
                line = f"real={np.mean(real):.3f} fake={np.mean(fake):.3f}"
            else:
                d_loss = tf.reduce_mean(loss(y, answers))
                line = f"real={np.mean(real > 0.5):.0%} fake={np.mean(fake < 0.5):.0%}"
        whole.optimizer.apply(tape.gradient(d_loss, weights), weights)
        print(f">{i + 1} {line}", flush=True)


STAGES = {"data": show_data, "models": show_models, "untrained": show_untrained}
STAGES["discriminator"] = train_discriminator


def import_script(path):
    """Import a training script from its path; raise ValueError where it is none."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is no Python file: {error}") from None
    missing = PARTS - {part.name for part in body if isinstance(part, ast.FunctionDef)}
    if missing:
        raise ValueError(f"{path} is no training script: no function {', '.join(sorted(missing))}")
    sys.path.insert(0, str(path.parent))  # where the script, started alone, would look for others
    spec = importlib.util.spec_from_file_location(path.stem, path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def parse_arguments(argv):
    """Return the script, imported, the stage, --out or None, and the script's own flags."""
    about = __doc__.splitlines()[0]
    own = "All other flags are those of the script."
    parser = argparse.ArgumentParser("stages.py", argparse.SUPPRESS, about, own)
    parser.add_argument("script", type=Path, metavar="SCRIPT.py", help="a training script")
    parser.add_argument("stage", choices=STAGES, help="what to look at")
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: runs/<script>")
    args, flags = parser.parse_known_args(argv)
    try:
        script = import_script(args.script)
    except ValueError as error:
        parser.error(str(error))
    return script, args.stage, args.out, flags


def do_nothing(run):
    """Stand in for a run's way to end on Ctrl-C: after a checkpoint."""


def print_errors(*text, file=None, **options):
    """Stand in for a script's print: what it says of a run is left out, but not what went wrong."""
    if file is sys.stderr:
        print(*text, file=file, **options)


def save_blank_data(shape, path):
    """Save ten black images with ten labels, for stages that show none."""
    np.savez(path, x_train=np.zeros((10, *shape), np.uint8), y_train=range(10))


def main(argv=None):
    script, stage, out, flags = parse_arguments(argv)
    if out is None:
        out = Path("runs", script.__name__)
    signature = inspect.signature(script.train)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)

        def show(*args):
            given = signature.bind(*args).arguments
            given["run"].out = scratch  # where summarize_performance writes
            out.mkdir(parents=True, exist_ok=True)
            STAGES[stage](script, out, given)

        script.train = show
        script.print = print_errors
        script.Run.end_on_signals = do_nothing  # Ctrl-C ends a stage at once
        if "--resume" in flags:  # look at the run in --out, with its settings and its data
            flags = [*flags, "--out", str(out)]
        else:  # in a folder that holds no run, which would be refused
            flags = [*flags, "--out", folder]
            if stage in ("models", "untrained"):
                save_blank_data(script.IMAGE_SHAPE, scratch / "blank.npz")
                flags = ["--data", str(scratch / "blank.npz"), *flags]
        script.main(flags)


if __name__ == "__main__":
    main()
