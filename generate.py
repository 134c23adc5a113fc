# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*", "keras==3.15.*", "numpy==2.*", "matplotlib==3.*",
#     "h5py==3.*", "pillow>=11,<14"]
# ///
"""Sample a trained generator: load its .h5 file, draw images, write them as a picture or as data.

    python generate.py runs/mnist_gan                           # its best snapshot, or the last
    python generate.py generator_model_100.h5 --seeds 0-9,42    # chosen images, one a seed
    python generate.py generator_model_100.h5 --interpolate 3,7,12 --out walk.gif
    python generate.py generator_model_050.h5 --labels cat,3-5  # chosen classes, one a column
    python generate.py generator_model_050.h5 --text 31415      # a number in one handwriting
    python generate.py generator_model_050.h5 --category 3 --code1 -2:2:10       # of an InfoGAN
    python generate.py generator_model_050.h5 --count 1000 --images samples --npz samples.npz
    python generate.py generator_model_050.h5 --explore         # a window with sliders

A file written by a script of this project describes itself (attribute `gan`). For a file of another
tutorial the same is worked out from its model: one float input is the latent point, a second input
of integers or of one number is the class label, a last sigmoid means pixels in [0, 1] and a last
tanh pixels in [-1, 1]. Files of Keras 2.2 to 2.15 open too. All of that is the work of
generator_files.py; latent.py has the points of the latent space, and sheets.py lays images out and
writes them. The three have to lie beside this file, which chooses points and draws their images.

Each image has a seed and can be drawn again by it: a sheet without --seeds begins with --seed and
counts on. The seed's numbers are those of NumPy's RandomState, which never change.

Sources: Machine Learning Mastery, "How to Develop a GAN for Generating MNIST Handwritten Digits"
and "How to Develop a GAN to Generate CIFAR10 Small Color Photographs" (their last sections, on the
final generator); arithmetic: Radford et al. 2015, arXiv:1511.06434; walks on a sphere: White 2016,
arXiv:1609.04468; the manners of the command line are those of StyleGAN3's gen_images.py.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import math
import os
import re
import shlex
import sys
from pathlib import Path

import numpy as np

try:
    from generator_files import (
        GeneratorFileError,
        check_description,
        code_columns,
        find_inputs,
        image_shape,
        noise_columns,
        open_generator,
        part_columns,
        quiet_stderr,
        read_description,
    )
    from latent import (
        PointError,
        between,
        calculate,
        generate_latent_points,
        grid_cell,
        interpolate,
        set_classes,
        vector_points,
    )
    from sheets import class_folders, npz_writer, save_animation, save_images, save_picture, tile
except ImportError as error:
    if error.name not in ("generator_files", "latent", "sheets"):
        raise
    print(
        f"generate.py: error: {error.name}.py is missing beside generate.py, or too old: "
        "copy generator_files.py, latent.py and sheets.py, too, from one place into one folder",
        file=sys.stderr,
    )
    raise SystemExit(2) from None

# keras and matplotlib are imported inside the functions that need them: TensorFlow takes seconds
# to start, and --help or a mistyped name should be answered at once.

GRID_CLASSES = 20  # columns of a picture at most, unless more are asked for
BATCH = 256  # images per call of the generator, so that memory does not grow with --count
FRAME = 80  # milliseconds, of an animation
# The points (n, width) and classes (n,) to draw, the seeds (n,) or None where points come from
# elsewhere, rows and columns of the picture, and how many pictures an animation has, or 1.
Plan = collections.namedtuple("Plan", "points labels seeds rows cols frames")


def fail(message, program="generate.py"):
    """End the program with one line on stderr and exit status 2."""
    print(f"{program}: error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def warn(message, program="generate.py"):
    """Print one line on stderr and go on."""
    print(f"{program}: warning: {message}", file=sys.stderr)


# ---- which images --------------------------------------------------------------------------------


def find_classes(text, names, flag="labels"):
    """Return the classes, a list of int, of a text such as 3, 0-9, 0,2,5-7 or cat,3.

    `names` are those of the classes, or [] where they have none. An item is taken for a name if it
    can be: with classes named "3" and "7", 3 is class 0. Ends the program at any other text.
    """
    classes = []
    for item in text.split(","):
        item = item if item in names else item.strip()
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", item)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if item in names:
            first = last = names.index(item)
        elif not names and first > last:
            fail(f"--{flag}: {text[:40]!r} is no list of classes such as 3 or 0,2,5-7")
        elif names and not first <= last < len(names):
            listed = ", ".join(repr(name[:40]) for name in names[:20])
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            last = len(names) - 1
            fail(f"--{flag}: no class {item[:40]!r}: classes 0 to {last} are {listed}{more}")
        classes.extend(range(first, last + 1))
    return classes


def check_flags(args, about):
    """Warn of flags that change nothing for this generator, and forget them; refuse wrong ones."""
    classes, infogan = about["classes"], about["kind"] == "infogan"
    n_codes = len(code_columns(about))
    flags = {
        "labels": (classes, "has no classes"),
        "text": (classes, "has no classes"),
        "category": (infogan, "is no InfoGAN"),
        "code1": (n_codes > 0, "is no InfoGAN with codes"),
        "code2": (n_codes > 1, "is no InfoGAN with two codes"),
    }
    for flag, (matters, reason) in flags.items():
        if getattr(args, flag) is not None and not matters:
            warn(f"--{flag} is ignored: this generator {reason}")
            setattr(args, flag, None)
    for flag in ("labels", "text", "category"):
        if max(getattr(args, flag) or [0]) >= max(classes, 1):
            fail(f"--{flag}: the classes of this generator are 0 to {classes - 1}")
    if infogan and (args.labels or args.text) and not (about.get("map") or about["class_names"]):
        flag = "text" if args.text else "labels"
        warn(f"--{flag} counts categories, whose meaning is unknown here: evaluate.py finds it")


def choose_points(args, about):
    """Return the latent points (k, width), their seeds (k,) or None, and the classes to draw.

    The classes are a list for all points, or an array (k,), one for each.
    """
    parts, classes, meaning = about["latent"], about["classes"], about.get("map")
    asked, meant = args.labels or args.text, meaning or [*range(classes)]
    if args.category:
        asked = [meant[k] for k in args.category]
    if args.vector is not None:
        points, complete = vector_points(args.vector, parts)
        category = part_columns(parts, "one-hot")
        if complete and category:
            if asked:
                warn("--labels is ignored: the points of --vector hold their classes")
            return points, None, np.take(meant, points[:, category].argmax(axis=1))
        return points, None, asked or [0]
    if args.cell:
        points, k = grid_cell(about, *args.cell)
        return points, None, asked or [meant[k] if meant else 0]
    shown = asked or [*range(classes or 1)]
    if not (asked or args.grid or args.count):
        shown = shown[:GRID_CLASSES]
    if args.interpolate:
        points = generate_latent_points(parts, args.interpolate)
        return interpolate(points, args.steps or 8, parts, loop=is_film(args)), None, shown
    if args.arithmetic:
        return calculate(args.arithmetic, parts), None, shown
    n, (rows, cols) = 10 if classes else 25, args.grid or (0, 0)
    if args.count:
        n, shown = args.count, np.resize(shown, args.count)
    elif any(len(code) > 1 for code in (args.code1, args.code2) if code):
        n = 1
    elif args.grid:  # with classes a row has one point, a column one class
        n, shown = (rows, np.resize(shown, cols).tolist()) if classes else (rows * cols, shown)
    elif args.text:
        n = 1
    seeds = np.array(args.seeds or range(args.seed, args.seed + n))
    return generate_latent_points(parts, seeds), seeds, shown


def plan_images(args, about):
    """Return the Plan of the images that the command line asks of the generator `about` describes.

    They are all combinations of some points, classes and values of each code. The last of these of
    which there are several goes across the picture, the others down.
    """
    parts = about["latent"]
    points, seeds, labels = choose_points(args, about)
    paired, along = isinstance(labels, np.ndarray), args.interpolate or args.arithmetic
    if args.truncate is not None:
        points[:, noise_columns(parts)] *= args.truncate
    codes = [[None] if code is None else code for code in (args.code1, args.code2)]
    sizes = [len(points), 1 if paired else len(labels), *map(len, codes)]
    order = [1, 0, 2, 3] if along and not is_film(args) else [0, 1, 2, 3]  # a way goes across
    which = np.indices([sizes[k] for k in order]).reshape(4, -1)[np.argsort(order)]
    labels = np.take(labels, which[0 if paired else 1])
    points, seeds = points[which[0]], None if seeds is None else seeds[which[0]]
    for column, values, k in zip(code_columns(about), codes, which[2:], strict=False):
        if values != [None]:
            points[:, column] = np.take(values, k)
    if args.vector is None or not paired:
        set_classes(points, labels, parts, about.get("map"))
    frames = sizes[0] if is_film(args) else 1
    n, several = len(labels) // frames, [sizes[k] for k in order if sizes[k] > 1][frames > 1 :]
    square = not along and max(sizes[1:]) == 1  # points alone
    cols = math.ceil(math.sqrt(n)) if square or not several else several[-1]
    if args.count:
        cols = min(about["classes"], len(set(labels))) or 5
    rows, cols = args.grid or (10 if args.count and about["classes"] else 100, min(cols, 100))
    return Plan(points, labels, seeds, min(rows, math.ceil(n / cols)), cols, frames)


# ---- their images --------------------------------------------------------------------------------


def run_model(model, points, labels, latent, label):
    """Return the generator's images (n, height, width, channels), unscaled, as float32.

    Raises GeneratorFileError where it does not run, or gives no finite numbers.
    """
    feed = [None] * len(model.inputs)
    feed[latent] = points.reshape(-1, *model.inputs[latent].shape[1:])
    if label is not None:
        feed[label] = labels.reshape(-1, *model.inputs[label].shape[1:])
        feed[label] = feed[label].astype(model.inputs[label].dtype)
    try:
        with quiet_stderr():
            # Not predict(): that prints progress and costs tens of milliseconds each time.
            output = model.predict_on_batch(feed if len(feed) > 1 else feed[0])
        output = output.astype(np.float32)
    except Exception as error:
        message = f"the generator does not run here: {str(error)[:300]}"
        raise GeneratorFileError(message) from None
    if not np.isfinite(output).all():
        raise GeneratorFileError(
            "the generator gives no finite numbers: training diverged, take an earlier snapshot"
        )
    return output.reshape(-1, *image_shape(model.output_shape))


def draw_images(model, inputs, about, points, labels):
    """Yield batches of images (n, height, width, channels) in [0, 1].

    `points` (n, width) are latent points, `labels` (n,) classes, `inputs` those of `find_inputs`.
    """
    pixel_range = about["pixel_range"]
    for k in range(0, len(labels), BATCH):
        images = run_model(model, points[k : k + BATCH], labels[k : k + BATCH], *inputs)
        if pixel_range is None:
            pixel_range = (-1, 1) if images.min() < -0.2 else (0, 1)
            warn(f"the range of the pixels is guessed: {pixel_range[0]} to {pixel_range[1]}")
        low, high = pixel_range
        yield ((images - low) / (high - low)).clip(0, 1)


def parse_grid(text):
    """Return (rows, columns) of a text such as 5x5."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    rows, cols = (int(size) for size in match.groups()) if match else (0, 0)
    if not (1 <= rows <= 100 and 1 <= cols <= 100):
        raise argparse.ArgumentTypeError(f"{text!r} is not ROWSxCOLUMNS, each 1 to 100, as in 5x5")
    return rows, cols


def parse_vector(text):
    """Return the points of --vector: a number as an array (), a .npy file as (n, width)."""
    try:
        vector = np.asarray(float(text), np.float32)
    except ValueError:
        try:
            vector = np.atleast_2d(np.load(text, allow_pickle=False)).astype(np.float32)
        except Exception:  # np.load has no common exception for a file that is something else
            message = f"{text!r} is neither a number nor a .npy file of numbers"
            raise argparse.ArgumentTypeError(message) from None
    if vector.ndim not in (0, 2) or not vector.size or not np.isfinite(vector).all():
        raise argparse.ArgumentTypeError(f"{text!r} holds no finite points (width,) or (n, width)")
    return vector


def parse_seeds(text):
    """Return the seeds, a list of int, of a text such as 0-9,42."""
    if not re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of seeds such as 3 or 0-9,42")
    ends = [[int(end) for end in item.split("-")] for item in text.split(",")]
    n = sum(end[-1] - end[0] + 1 for end in ends)
    if not 1 <= n <= 10_000 or any(end[-1] < end[0] for end in ends):
        raise argparse.ArgumentTypeError(f"{text!r} names {max(n, 0)} seeds, not 1 to 10,000")
    return [seed for end in ends for seed in range(end[0], end[-1] + 1)]


def parse_cell(text):
    """Return (row, column) of a text such as 3,7."""
    match = re.fullmatch(r"(\d{1,3}),(\d{1,3})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROW,COLUMN, as in 3,7")
    return int(match[1]), int(match[2])


def parse_formula(text):
    """Return a text such as 0+1-2 if it adds and takes away seeds."""
    if not re.fullmatch(r"\d{1,9}([+-]\d{1,9}){1,9}", text.replace(" ", "")):
        raise argparse.ArgumentTypeError(f"{text!r} adds and takes away no seeds, as 0+1-2 does")
    return text.replace(" ", "")


def parse_code(text):
    """Return the values, a list of float, of a code: of a text such as 0.5 or -2:2:10."""
    try:
        low, high, n = [*text.split(":"), text, 1][:3] if ":" in text else (text, text, 1)
        values = np.linspace(float(low), float(high), int(n)).tolist()
    except ValueError:
        values = []
    if not 1 <= len(values) <= 100 or not np.isfinite(values).all():
        message = f"{text!r} is neither a number nor FROM:TO:COUNT, as in -2:2:10"
        raise argparse.ArgumentTypeError(message)
    return values


def in_range(low, high, kind=int):
    """Return a function that reads a number from low to high, for argparse."""

    def parse(text):
        with contextlib.suppress(ValueError):
            if low <= kind(text) <= high:
                return kind(text)
        raise argparse.ArgumentTypeError(f"{text!r} is no number from {low} to {high}")

    return parse


def choose_snapshot(path):
    """Return the snapshot to sample, for a file itself, and what evaluate.py found of it, a dict.

    What it found, with "map" and "class_names", is of a run's best snapshot alone. Raises
    GeneratorFileError where there is no snapshot, or what was found is damaged.
    """
    folder = path if path.is_dir() else path.parent
    best = folder / "best.json"
    try:
        found = json.loads(best.read_text()) if best.exists() else {"file": None}
        name, meaning = found["file"], {}
        if found.get("map"):
            meaning = {key: found[key] for key in ("map", "class_names")}
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        if path.is_dir():
            raise GeneratorFileError(
                f"{best} is damaged: run evaluate.py again, or remove it"
            ) from None
        return path, {}  # beside a single file it may be anybody's
    if not path.is_dir():
        return path, meaning if name == path.name else {}
    if name is not None and (not isinstance(name, str) or Path(name).name != name):
        raise GeneratorFileError(
            f"{best} names no file of its own folder: run evaluate.py again, or remove it"
        )
    last = sorted(file.name for file in folder.glob("generator_model_*.h5"))[-1:]
    snapshot = folder / (name or "".join(last) or "generator_model_NNN.h5")
    if not snapshot.is_file():
        raise GeneratorFileError(f"{folder} holds no snapshot {snapshot.name}")
    print(f"Sampling {snapshot.name}, the {'best' if name else 'last'} snapshot of {folder}")
    return snapshot, meaning


def is_film(args):
    """Return whether an animation is asked for."""
    return args.out is not None and args.out.suffix.lower() == ".gif"


def parse_args(argv):
    """Read the command line; mistakes that show without the model end the program here."""
    description = "Sample a trained generator and write the images as one picture."
    parser = argparse.ArgumentParser("generate.py", description=description, allow_abbrev=False)
    parser.error = fail  # one line, without the usage
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # "--code1 -2:2:10" has a value
    model = "generator, as saved with model.save(), or a run: its best snapshot, or else its last"
    parser.add_argument("model", metavar="MODEL.h5|RUN", type=Path, help=model)
    add = parser.add_argument_group("points").add_mutually_exclusive_group().add_argument
    add("--seeds", metavar="S", type=parse_seeds, help="draw these seeds, as in 0-9,42")
    count = "draw so many for --images and --npz, classes in turn; the picture shows the first"
    add("--count", metavar="N", type=in_range(1, 10**6), help=count)
    add(
        "--cell", metavar="R,C", type=parse_cell, help="draw row R, column C of the run's own grids"
    )
    vector = "draw a point: a number for all its coordinates, or points: a .npy file (n, width)"
    add("--vector", metavar="V", type=parse_vector, help=vector)
    add("--interpolate", metavar="S", type=parse_seeds, help="walk between seeds, as in 3,7,12")
    add("--arithmetic", metavar="F", type=parse_formula, help="calculate with seeds, as in 0+1-2")
    add = parser.add_argument_group("more about the points").add_argument
    add("--seed", metavar="N", type=in_range(0, 10**9), default=1, help="the first seed (1)")
    add("--steps", metavar="N", type=in_range(1, 1000), help="of a walk from seed to seed (8)")
    truncate = "shrink the noise to this share: fewer odd images, less variety"
    add("--truncate", metavar="PSI", type=in_range(0, 1, float), help=truncate)
    add = parser.add_argument_group("classes and codes").add_mutually_exclusive_group().add_argument
    add(
        "--labels", metavar="L", help="classes: 3 or 0-9 or 0,2,5-7, or their names, as in cat,ship"
    )
    add("--text", metavar="T", help="classes of one letter each: 31415 for 3,1,4,1,5, in one style")
    add("--category", metavar="K", help="an InfoGAN's categories, whatever they mean: 3 or 0-9")
    add = parser.add_argument
    for code in ("--code1", "--code2"):
        add(code, metavar="V", type=parse_code, help="value of an InfoGAN's code, or FROM:TO:COUNT")
    add = parser.add_argument_group("what is written").add_argument
    out = "picture, or FILE.gif with --interpolate (default: beside the model, named by the seeds)"
    add("--out", metavar="FILE.png", type=Path, help=out)
    add("--grid", metavar="RxC", type=parse_grid, help="rows and columns of the picture, as in 5x5")
    images = "write the images of --count or --seeds as PNG files into a new folder, by class"
    add("--images", metavar="DIR", type=Path, help=images)
    npz = "write images (n, h, w, c) in [0, 1], latent, and seeds, labels, codes if any"
    add("--npz", metavar="FILE.npz", type=Path, help=npz)
    add("--show", action="store_true", help="open the picture in a window")
    add("--explore", action="store_true", help="open a window with sliders instead")
    args = parser.parse_args(argv)
    try:
        args.model, args.meaning = choose_snapshot(args.model)
    except GeneratorFileError as error:
        fail(error)
    args.out = args.out or args.model.with_name(f"{args.model.stem}_{name_points(args)}.png")
    if args.images and not (args.count or args.seeds):
        fail("--images needs --count N or --seeds, the images to write")
    if args.count and not (args.images or args.npz):
        fail("--count needs --images DIR or --npz FILE.npz; for a larger picture use --grid RxC")
    if args.count and any(len(code or [0]) > 1 for code in (args.code1, args.code2)):
        fail("--count takes one value of a code, not FROM:TO:COUNT")
    if args.interpolate and len(args.interpolate) < 2:
        fail("--interpolate needs two seeds at least, as in 3,7")
    if is_film(args) and not args.interpolate:
        fail(f"{args.out}: an animation needs --interpolate; other pictures end in .png")
    if args.steps and not args.interpolate:
        warn("--steps is ignored: there is no --interpolate")
    endings = {args.out: (".png", ".gif"), args.npz: (".npz",)}
    for path, suffixes in endings.items():
        if path and path.suffix.lower() not in suffixes:
            fail(f"{path}: the name must end in {suffixes[0]}")
        if path and path.is_dir():
            fail(f"{path} is a folder: give the name of a file")
    for path in (args.out, args.npz, args.images):
        folder = path and path.absolute().parent
        if path and folder != args.model.absolute().parent and not os.access(folder, os.W_OK):
            fail(f"cannot write to the folder {path.parent}: create it or choose another")
    if args.images and args.images.exists():
        if not args.images.is_dir() or any(args.images.iterdir()):
            fail(f"{args.images} is not an empty folder: choose a new one")
    return args


def name_seeds(seeds):
    """Return different seeds as a text such as 0-9,42."""
    runs = []
    for seed in map(int, seeds):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(f"{a}-{b}" if a < b else f"{a}" for a, b in runs)


def name_points(args):
    """Return what the name of a picture says of its points and classes, at most 60 characters."""
    cell, walk = args.cell and "cell{},{}".format(*args.cell), args.interpolate
    named = [args.seeds and f"seeds{name_seeds(args.seeds)}", cell, args.arithmetic]
    named += [walk and f"walk{name_seeds(walk)}", "vector" if args.vector is not None else ""]
    named = [[*filter(None, named), f"seed{args.seed}"][0]]
    named += [args.labels, args.text, args.category and f"category{args.category}"]
    for name, code in (("code1_", args.code1), ("code2_", args.code2)):
        named.append(
            code
            and name + "to".join(f"{end:g}" for end in dict.fromkeys(code[:: len(code) - 1 or 1]))
        )
    named.append(args.truncate is not None and f"truncate{args.truncate:g}")
    return re.sub(r"[^\w,.+-]", "-", "_".join(filter(None, named)))[:60]


def explore(model, inputs, about, args):
    """Open the window of --explore."""
    parts = about["latent"]

    def draw(seed, other, t, label, codes):
        point = between(*generate_latent_points(parts, [seed, other]), t, parts)[None]
        point[0, code_columns(about)] = codes
        set_classes(point, [label], parts, about.get("map"))
        return next(draw_images(model, inputs, about, point, np.array([label])))[0]

    n_codes = len(code_columns(about))
    try:
        from explore import open_window

        open_window(draw, args.seed, about["classes"], about["class_names"], n_codes)
    except (ImportError, RuntimeError) as error:  # also where a backend of Matplotlib is missing
        fail(f"--explore: {error}")


def write(args, about, plan, batches, shape, text):
    """Write the images of `batches`, of `shape` (h, w, c), to all the places asked for.

    `text` is what each PNG says of itself, to which its seeds are added.
    """
    points, labels, seeds, rows, cols, frames = plan
    n, names = len(labels), about["class_names"]
    room = rows * cols if frames == 1 else n
    arrays = {"latent": points, "seeds": seeds, "labels": labels if about["classes"] else None}
    arrays["class_names"] = np.array(names) if names else None
    codes = points[:, code_columns(about)]
    arrays["codes"] = codes if about["kind"] == "infogan" else None
    arrays = {name: array for name, array in arrays.items() if array is not None}
    npz = npz_writer(args.npz, (n, *shape), arrays) if args.npz else contextlib.nullcontext()
    subfolders, shown, done = class_folders(about["classes"], names), [], 0
    counts = collections.Counter()
    with npz as file:
        for images in batches:
            shown.extend(images[: room - len(shown)])
            these = slice(done, done + len(images))
            done += len(images)
            if args.images:
                folders = [subfolders[label] for label in labels[these]]
                texts = [text | {"Seeds": str(seed)} for seed in seeds[these]]
                save_images(args.images, images, folders, counts, texts)
            if args.npz:
                file.write(images)
        if frames > 1:
            films = np.split(np.array(shown), frames)
            save_animation(args.out, [(tile(film, rows, cols), "") for film in films], FRAME)
        else:
            text |= {} if seeds is None else {"Seeds": name_seeds(dict.fromkeys(seeds[:room]))}
            save_picture(args.out, tile(np.array(shown), rows, cols), text)
    places = {args.out: min(n, room), args.images: n, args.npz: n}
    written = [f"{k} image{'s' if k > 1 else ''} in {path}" for path, k in places.items() if path]
    print(", ".join(written))


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    command = shlex.join(["generate.py", *map(str, sys.argv[1:] if argv is None else argv)])
    try:
        about = (read_description(args.model) or {"class_names": []}) | args.meaning
        names = about["class_names"]
        if args.labels is not None:  # before TensorFlow starts, which takes seconds
            args.labels = find_classes(args.labels, names, "labels")
        if args.text is not None:
            args.text = find_classes(",".join(args.text), names, "text")
        if args.category is not None:
            args.category = find_classes(args.category, [], "category")
        model, about = open_generator(args.model)
        about = check_description(args.model, about | args.meaning)
        inputs = find_inputs(model)
        check_flags(args, about)
        if args.explore:
            return explore(model, inputs, about, args)
        plan = plan_images(args, about)
        batches = draw_images(model, inputs, about, plan.points, plan.labels)
        text = {"Software": "generate.py", "Command": f"python {command}"}
        text["Model SHA-256"] = hashlib.sha256(args.model.read_bytes()).hexdigest()
        write(args, about, plan, batches, image_shape(model.output_shape), text)
    except (GeneratorFileError, PointError) as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or args.npz or args.out}: {error.strerror or error}")
    except MemoryError:
        fail("there is not enough memory for so many images: draw fewer")
    except KeyboardInterrupt:
        warn("interrupted")
        raise SystemExit(130) from None
    if args.show:
        show(args.out)


def show(path):
    """Open a picture in a window and wait until it is closed."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() == "agg":
        fail(f"--show: no window can be opened here; the picture is in {path}")
    plt.imshow(plt.imread(path))
    plt.axis("off")
    plt.show()


if __name__ == "__main__":
    main()
