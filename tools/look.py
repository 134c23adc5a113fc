"""Look at what D sees: real and generated images by D's answer, with what the answer hangs on.

    python tools/look.py runs/mnist_gan
    python tools/look.py runs/mnist_gan --data mnist.npz --out what_d_sees.png
    python tools/look.py runs/mine --script my_gan.py        a run of a script of your own

D and G are those of the run's last checkpoint, the data those of the run; the run is not touched.
Written is one sheet, RUN/look.png: ten of 100 real images, from that which D takes most for real to
that which it takes least, and below each the size of the gradient of D's answer by the pixels
(Simonyan et al. 2013, arXiv:1312.6034): bright is where a change of the pixel would change D's mind
most, each image on its own scale. In the same way ten of 100 fakes. A D that has won gives all real
images one answer and all fakes the other.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from training_scripts import draw_points, import_script, replace_train, single_output

ROOT = Path(__file__).resolve().parent.parent
N_IMAGES = 100  # of each kind
N_SHOWN = 10


def find_script(run):
    """Return the path of the script that made a run, in this project; raise ValueError."""
    try:
        name = json.loads((run / "settings.json").read_text())["script"]
    except (OSError, KeyError, TypeError, ValueError):
        raise ValueError(f"{run} holds no run of these scripts") from None
    for path in (ROOT / name, ROOT / "variants" / name):
        if path.is_file():
            return path
    raise ValueError(f"{run} is of {name}, which is not here: say where with --script")


def draw_images(script, given):
    """Return what D is asked about: [images, labels or none] of real images, and of fakes."""
    tf = script.tf
    settings = given["run"].settings
    real_seed, fake_seed = tf.random.split((settings.seed, -1), 2)  # of no batch
    dataset = script.keras.tree.map_structure(tf.constant, given["dataset"])
    real, _ = script.generate_real_samples(dataset, N_IMAGES, real_seed)
    points = draw_points(script, given, N_IMAGES, fake_seed)
    fake = tf.cast(given["g_model"](points, training=False), tf.float32)
    n_inputs = len(given["d_model"].inputs)
    labels = points[1:] if n_inputs > 1 else []  # of a conditional GAN
    return script.keras.tree.flatten(real)[:n_inputs], [fake, *labels]


def ask(script, d_model, images, *labels):
    """Return D's answers (n,) and how much each hangs on each pixel, (n, height, width).

    That is the gradient's size, the largest of the channels. Of D's outputs the single number
    counts: the probability that an image is real, or its energy.
    """
    tf = script.tf
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = d_model([images, *labels] if labels else images, training=False)
        answers = tf.nest.flatten(outputs)[single_output(d_model)]
    gradient = tape.gradient(answers, images)
    return np.float32(answers)[:, 0], np.abs(gradient).max(axis=-1)


def choose(answers, lowest_first):
    """Return the numbers of N_SHOWN images, at even steps through the sorted answers."""
    order = np.argsort(answers if lowest_first else -answers, kind="stable")
    return order[np.linspace(0, len(order) - 1, N_SHOWN).round().astype(int)]


def draw_sheet(script, kinds, is_energy, path):
    """Write the sheet: `kinds` has images, answers and saliency of each kind, by its title."""
    from matplotlib.figure import Figure

    low, high = script.PIXEL_RANGE
    figure = Figure(figsize=(N_SHOWN, 5.2), layout="constrained")
    parts = figure.subfigures(len(kinds), 1)
    for part, (title, (images, answers, saliency)) in zip(parts, kinds.items(), strict=True):
        part.suptitle(title, fontsize=10)
        axes = part.subplots(2, N_SHOWN)
        for column, k in enumerate(choose(answers, lowest_first=is_energy)):
            image = (np.asarray(images[k]) - low) / (high - low)
            axes[0, column].imshow(image.clip(0, 1), cmap="gray_r", vmin=0, vmax=1)
            axes[0, column].set_title(f"{answers[k]:.3g}", fontsize=8)
            axes[1, column].imshow(saliency[k], cmap="magma", vmin=0)
        for axis in axes.flat:
            axis.axis("off")
    figure.savefig(path, dpi=100)


def look(script, given, run, path):
    """Ask D of a run's checkpoint about real and generated images; write the sheet."""
    script.start_from(run, given["gan_model"])
    d_model = given["d_model"]
    is_energy = not d_model.loss
    kinds = {}
    for name, images in zip(("Real", "Generated"), draw_images(script, given), strict=True):
        answers, saliency = ask(script, d_model, *images)
        says = f"D's energies {answers.min():.3g} to {answers.max():.3g}, small is real"
        if not is_energy:
            share = np.mean(answers > 0.5)
            says = f"D takes {share:.0%} for real ({answers.min():.3g} to {answers.max():.3g})"
        kinds[f"{name} images: {says}"] = images[0], answers, saliency
    draw_sheet(script, kinds, is_energy, path)
    print(*kinds, path, sep="\n")


def parse_arguments(argv):
    """Return the command line; args.script is the script, imported."""
    parser = argparse.ArgumentParser("look.py", description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument("--data", metavar="PATH", help="the run's data, where they lie now")
    parser.add_argument("--script", metavar="SCRIPT.py", type=Path, help="the script of the run")
    parser.add_argument("--out", metavar="FILE.png", type=Path, help="default: RUN/look.png")
    args = parser.parse_args(argv)
    args.out = args.out or args.run / "look.png"
    if args.out.suffix != ".png":
        parser.error(f"--out {args.out}: the name must end in .png")
    try:
        args.script = import_script(args.script or find_script(args.run))
    except ValueError as error:
        parser.error(str(error))
    return args


def main(argv=None):
    args = parse_arguments(argv)
    script = args.script
    flags = ["--resume", "--out", str(args.run)]
    if args.data:
        flags += ["--data", args.data]
    replace_train(script, lambda given: look(script, given, args.run, args.out))
    script.main(flags)


if __name__ == "__main__":
    main()
