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
# functions of a training script that are used here
PARTS = {"generate_real_samples", "save_plot", "summarize_performance", "save_files"}
PARTS |= {"train", "main"}


def show_data(script, out, models, dataset, settings):
    """Draw the first real images, 25 grey ones or 49 in colour as the tutorials do."""
    images = script.keras.tree.flatten(dataset)[0]
    side = min(5 if images.shape[-1] == 1 else 7, math.isqrt(len(images)))
    script.save_plot(images[: side * side], out / "data_plot.png", (0, 255), side)
    print(out / "data_plot.png")


def show_models(script, out, models, dataset, settings):
    """Print the summaries of the three models and draw them with Graphviz."""
    g_model, d_model, gan_model = models
    layers = d_model, *d_model.layers
    kept = [layer.trainable for layer in layers]
    for layer in layers:  # frozen by define_gan, which is true in the composite only
        layer.trainable = True
    d_model.summary()
    for layer, trainable in zip(layers, kept, strict=True):
        layer.trainable = trainable
    g_model.summary()
    gan_model.summary()
    try:
        for name, model in ("discriminator", d_model), ("generator", g_model), ("gan", gan_model):
            path = out / f"{name}_plot.png"
            # the default, "ortho", crashes Graphviz 2.43 where a model has two inputs
            script.keras.utils.plot_model(model, path, show_shapes=True, splines="spline")
            print(path)
    except ImportError:
        print("For the diagrams install Graphviz: apt-get install graphviz", file=sys.stderr)


def show_untrained(script, out, models, dataset, settings):
    """Draw the grid that a run would draw after no epoch at all."""
    script.save_files = lambda *args: None
    g_model, d_model, _ = models
    script.summarize_performance(0, g_model, d_model, dataset, settings)
    shutil.copyfile(settings.out / "generated_plot_e000.png", out / "untrained_plot.png")
    print(out / "untrained_plot.png")


def train_discriminator(script, out, models, dataset, settings):
    """Train D alone to tell real images from random pixels; print a line per batch.

    Of D's outputs only the single number learns: the probability that an image is real or, where D
    was compiled without a loss, an energy, to be small for real images and settings.margin for
    others. Both kinds of images go through D in one batch: in a batch of one kind,
    BatchNormalization would take away what tells it from the other.
    """
    keras, tf, whole = script.keras, script.tf, models[1]
    for layer in whole.layers:  # define_gan froze them
        layer.trainable = True
    single = [output.shape[-1] for output in whole.outputs].index(1)
    d_model = keras.Model(whole.inputs, whole.outputs[single])
    loss = keras.losses.get(keras.tree.flatten(whole.loss)[single]) if whole.loss else None
    dataset = keras.tree.map_structure(tf.constant, dataset)
    # a script's function may want more of the settings, such as mnist_gan.py's --output
    names = list(inspect.signature(script.generate_real_samples).parameters)[3:]
    own = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    half_batch = settings.batch_size // 2
    for i in range(N_BATCHES):
        seeds = tf.random.split((settings.seed, i), 2)
        X_real, y_real = script.generate_real_samples(dataset, half_batch, seeds[0], **own)
        X_real, *labels = keras.tree.flatten(X_real)
        low, high = np.min(X_real), np.max(X_real)
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], low, high)
        pairs = (X_real, X_fake), *zip(labels, labels, strict=True)
        X = [tf.concat(pair, 0) for pair in pairs][: len(d_model.inputs)]
        y = tf.concat([y_real, tf.zeros_like(y_real)], 0)
        with tf.GradientTape() as tape:
            answers = d_model(X, training=True)
            real, fake = tf.split(answers, 2)
            if loss:
                d_loss = tf.reduce_mean(loss(y, answers))
                line = f"real={np.mean(real > 0.5):.0%} fake={np.mean(fake < 0.5):.0%}"
            else:
                d_loss = tf.reduce_mean(real + tf.maximum(0.0, settings.margin - fake))
                line = f"real={np.mean(real):.3f} fake={np.mean(fake):.3f}"
        weights = d_model.trainable_variables
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


def parse_arguments(argv, name, doc, part, choices, what, out):
    """Return the script, imported, which of the choices, --out or None, and the script's flags."""
    about, own = doc.splitlines()[0], "All other flags are those of the script."
    parser = argparse.ArgumentParser(name, argparse.SUPPRESS, about, own)
    parser.add_argument("script", type=Path, metavar="SCRIPT.py", help="a training script")
    parser.add_argument(part, choices=choices, help=what)
    parser.add_argument("--out", metavar="DIR", type=Path, help=f"default: {out}")
    args, flags = parser.parse_known_args(argv)
    try:
        return import_script(args.script), getattr(args, part), args.out, flags
    except ValueError as error:
        parser.error(str(error))


def main(argv=None):
    script, stage, out, flags = parse_arguments(
        argv, "stages.py", __doc__, "stage", STAGES, "what to look at", "runs/<script>"
    )
    out = out or Path("runs", script.__name__)
    script.print = lambda *args, **kwargs: None  # what the script says is about a run
    with tempfile.TemporaryDirectory() as scratch:

        def show(g_model, d_model, gan_model, dataset, settings):
            out.mkdir(parents=True, exist_ok=True)
            settings.out = Path(scratch)
            STAGES[stage](script, out, (g_model, d_model, gan_model), dataset, settings)

        script.train = show
        if "--resume" in flags:  # look at the run in --out, with its settings and its data
            flags += ["--out", str(out)]
        else:  # in a folder that holds no run, which would be refused
            flags += ["--out", scratch]
            if stage in ("models", "untrained"):  # blank images will do
                blank = np.zeros((10, *script.IMAGE_SHAPE), np.uint8)
                np.savez(f"{scratch}/blank.npz", x_train=blank, y_train=range(10))
                flags = ["--data", f"{scratch}/blank.npz", *flags]
        script.main(flags)


if __name__ == "__main__":
    main()
