"""Look at the stages that a GAN's tutorial goes through before it trains.

    python tools/stages.py mnist_gan.py data             print the shapes, draw the first images
    python tools/stages.py mnist_gan.py models           print and draw the three models
    python tools/stages.py mnist_gan.py discriminator    train D alone against random pixels
    python tools/stages.py mnist_gan.py untrained        draw what an untrained G draws
    python tools/stages.py mnist_gan.py generator        train G alone, against an untrained D

Any training script will do, here or elsewhere, and its own flags may follow the stage: --data,
--seed, --out, the folder of the pictures, ... A run that stands there is not touched. `data` and
`discriminator` need data, the others none.

The script is imported, and its `main` called with the stage in the place of `train`: it has the
models, the data and the settings of a run with these flags.
"""

import argparse
import contextlib
import math
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from training_scripts import (
    draw_points,
    import_script,
    print_errors,
    replace_train,
    single_output,
)

# the tutorials' numbers, for images of 1 channel (MNIST) and of 3 (CIFAR-10)
SIDES = {1: 5, 3: 7}  # of a square of images
D_BATCHES = {1: 100, 3: 20}  # that D trains alone
G_BATCHES = {1: 100, 3: 200}  # that G trains alone
FEW = 1000  # images, below which a GAN needs help
BEFORE = -1  # the epoch before the first, 0; a script numbers its grids from 1, so this one is
GRID = "generated_plot_e000.png"


def show_data(script, out, given):
    """Print what the data hold, and draw the first real images.

    What the script did to pictures of other sizes or kinds it has said itself.
    """
    dataset = given["dataset"]
    arrays = dataset[:2] if isinstance(dataset, list) else [dataset]  # images, labels
    for part, shapes in shapes_of(script, arrays, given["run"].settings.data).items():
        print(part, *shapes)
    images, *labels = arrays
    if labels:
        counts = zip(dataset[2], np.bincount(labels[0]), strict=True)
        print("Of each class:", ", ".join(f"{name} {count:,}" for name, count in counts))
    n_different = len({image.tobytes() for image in images})
    if n_different < len(images):
        print(f"Exact copies of others: {len(images) - n_different:,}")
    if n_different < FEW:
        print(f"Fewer than {FEW:,} images: D may learn them by heart (docs/own_pictures.md)")
    n_most = SIDES[script.IMAGE_SHAPE[-1]] ** 2
    low, high = script.PIXEL_RANGE
    examples = low + (high - low) * (images[:n_most] / 255)
    save_square(script, examples, given["run"].out, out / "data_plot.png")


def shapes_of(script, arrays, path):
    """Return the shapes of images and labels: "Train", and "Test" where there are such, too.

    They are those of all that the data hold, and not only of what the script reads. Of a folder of
    pictures they are those of `arrays`, which the script has read.
    """
    if path is None:
        train, test = script.download(script.DATASET)
        held = {"Train": train, "Test": test}
    elif Path(path).is_dir():
        held = {"Train": arrays}
    else:
        train = [script.ARRAYS["images"], script.ARRAYS["labels"]]
        held = {
            "Train": read_arrays(script, path, train),
            "Test": read_arrays(script, path, [["x_test"], ["y_test"]]),
        }
    return {part: [array.shape for array in held[part]] for part in held if held[part]}


def read_arrays(script, path, wanted):
    """Return those arrays that a file has, of each list of names in `wanted` the first."""
    found = []
    for names in wanted:
        with contextlib.suppress(script.Refusal):  # the file has none of these
            found.append(script.read_array(path, names))
    return found


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
            draw_model(script, model, path)
            print(path)
    except ImportError:
        print("For the diagrams install Graphviz: apt-get install graphviz", file=sys.stderr)


def draw_model(script, model, path):
    """Draw a model with the names and shapes of its layers, those of models in it, too."""
    script.keras.utils.plot_model(
        model,
        path,
        show_shapes=True,
        show_layer_names=True,
        expand_nested=True,
        splines="spline",  # the default, "ortho", crashes Graphviz 2.43 at a model of two inputs
    )


def train_discriminator(script, out, given):
    """Train D alone to tell real images from random pixels; print a line per batch.

    As in the tutorials a batch is two updates, on real images and then on random pixels, and its
    line has D's accuracy on each of them before the update. Of D's outputs only the single number
    learns. Of an energy the mean is printed.

    In a batch of one kind BatchNormalization takes away much of what tells it from the other. With
    it AC-GAN's D learns all the same, as in its tutorial; InfoGAN's is slower, and right three
    times in four after 100 batches.
    """
    keras = script.keras
    tf = script.tf
    settings = given["run"].settings
    whole = given["d_model"]
    d_model = keras.Model(whole.inputs, whole.outputs[single_output(whole)])
    loss = loss_of(script, given)
    update = make_update(script, d_model, whole.optimizer, d_model.trainable_weights, loss)
    dataset = keras.tree.map_structure(tf.constant, given["dataset"])  # kept on the device
    low, high = script.PIXEL_RANGE
    half_batch = settings.batch_size // 2
    for i in range(D_BATCHES[script.IMAGE_SHAPE[-1]]):
        seeds = tf.random.split((settings.seed, i), 2)
        X_real, y_real = script.generate_real_samples(dataset, half_batch, seeds[0])
        X_real, *labels = keras.tree.flatten(X_real)
        X_fake = tf.random.stateless_uniform(X_real.shape, seeds[1], low, high)
        if len(d_model.inputs) == 1:
            labels = []
        _, real = update([X_real, *labels], y_real)
        _, fake = update([X_fake, *labels], tf.zeros_like(y_real))  # labels of the real ones
        if whole.loss:
            line = f"real={np.mean(real > 0.5):.0%} fake={np.mean(fake < 0.5):.0%}"
        else:
            line = f"real={np.mean(real):.3f} fake={np.mean(fake):.3f}"
        print(f">{i + 1} {line}", flush=True)


def show_untrained(script, out, given):
    """Draw what G draws with its initial weights."""
    save_fakes(script, given, out / "untrained_plot.png")


def train_generator(script, out, given):
    """Train G alone, through the composite, while D stays as it was initialised.

    Prints a line per batch, and whether D has stayed; draws what G draws then. The composite says
    what moves, but for an InfoGAN's Q: only D's single number counts here.
    """
    tf = script.tf
    settings = given["run"].settings
    d_model = given["d_model"]
    gan_model = given["gan_model"]
    networks = {id(weight) for model in (given["g_model"], d_model) for weight in model.weights}
    weights = [weight for weight in gan_model.trainable_weights if id(weight) in networks]
    update = make_update(script, gan_model, gan_model.optimizer, weights, loss_of(script, given))
    # BatchNormalization's running averages follow all that it sees
    d_weights = [weight for weight in d_model.weights if "moving_" not in weight.path]
    before = [weight.numpy() for weight in d_weights]
    n_batch = settings.batch_size
    y_gan = tf.ones((n_batch, 1))  # G wants its fakes to be taken for real
    for i in range(G_BATCHES[script.IMAGE_SHAPE[-1]]):
        X_gan = draw_points(script, given, n_batch, (settings.seed, i))
        g_loss, _ = update(X_gan, y_gan)
        print(f">{i + 1} g={g_loss:.3f}", flush=True)
    after = [weight.numpy() for weight in d_weights]
    if all(map(np.array_equal, before, after)):
        print("D is as it was initialised")
    else:
        print("D has moved, too: the composite trains it")
    save_fakes(script, given, out / "generator_alone_plot.png")


def loss_of(script, given):
    """Return D's loss of its single number, loss(y, answers), where y is 1 for real images.

    The number is the probability that an image is real or, where D was compiled without a loss, an
    energy, to be small for real images and settings.margin for others.
    """
    d_model = given["d_model"]
    if d_model.loss:
        losses = script.keras.tree.flatten(d_model.loss)
        return script.keras.losses.get(losses[single_output(d_model)])
    margin = given["run"].settings.margin

    def energy_loss(y, energies):
        return y * energies + (1 - y) * script.tf.maximum(0.0, margin - energies)

    return energy_loss


def make_update(script, model, optimizer, weights, loss):
    """Return update(X, y), a training step: it gives the loss, and the answers, before the step."""
    tf = script.tf
    single = single_output(model)
    optimizer.build(weights)

    @tf.function
    def update(X, y):
        with tf.GradientTape() as tape:
            answers = tf.nest.flatten(model(X, training=True))[single]
            batch_loss = tf.reduce_mean(loss(y, answers))
        optimizer.apply(tape.gradient(batch_loss, weights), weights)
        return batch_loss, answers

    return update


def save_fakes(script, given, path):
    """Draw a square of images from G, grey ones each on its own scale of greys.

    It goes from the image's least pixel to its greatest, as in the tutorials: what a G draws that
    is not trained is noise of little contrast about a medium grey.
    """
    low, high = script.PIXEL_RANGE
    n_channels = script.IMAGE_SHAPE[-1]
    points = draw_points(script, given, SIDES[n_channels] ** 2, given["run"].grid_seed)
    images = np.float32(given["g_model"](points, training=False))
    if n_channels == 1:
        least = images.min(axis=(1, 2, 3), keepdims=True)
        spread = images.max(axis=(1, 2, 3), keepdims=True) - least
        images = low + (high - low) * (images - least) / np.maximum(spread, 1e-9)
    save_square(script, images, given["run"].out, path)


def save_square(script, images, scratch, path):
    """Draw a square of images, 5x5 grey ones or 7x7 in colour; of fewer, as many as there are."""
    side = min(SIDES[script.IMAGE_SHAPE[-1]], math.isqrt(len(images)))
    script.save_plot(images[: side * side], BEFORE, n=side, out=scratch)
    shutil.copyfile(scratch / GRID, path)
    print(path)


STAGES = {
    "data": show_data,
    "models": show_models,
    "discriminator": train_discriminator,
    "untrained": show_untrained,
    "generator": train_generator,
}


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


def print_of_data(*text, **options):
    """Stand in for a script's print: all that it says of the data is shown."""
    if text[0] != "Training on":
        print(*text, **options)


def save_blank_data(shape, path):
    """Save ten black images with ten labels, for stages that show none."""
    np.savez(path, x_train=np.zeros((10, *shape), np.uint8), y_train=range(10))


def main(argv=None):
    script, stage, out, flags = parse_arguments(argv)
    if out is None:
        out = Path("runs", script.__name__)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)

        def show(given):
            given["run"].out = scratch  # for save_plot
            out.mkdir(parents=True, exist_ok=True)
            STAGES[stage](script, out, given)

        replace_train(script, show, print_of_data if stage == "data" else print_errors)
        if "--resume" in flags:  # look at the run in --out, with its settings and its data
            flags = [*flags, "--out", str(out)]
        else:  # in a folder that holds no run, which would be refused
            flags = [*flags, "--out", folder]
            if stage not in ("data", "discriminator"):
                save_blank_data(script.IMAGE_SHAPE, scratch / "blank.npz")
                flags = ["--data", str(scratch / "blank.npz"), *flags]
        script.main(flags)


if __name__ == "__main__":
    main()
