# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*", "keras==3.15.*", "numpy==2.*", "matplotlib==3.*",
#     "h5py==3.*", "pillow>=11,<14"]
# ///
"""Sample a trained generator: load its .h5 file, draw images, write them as a picture or as data.

    python generate.py runs/mnist_gan                           # its best snapshot, or the last
    python generate.py generator_model_100.h5                   # a grid of samples
    python generate.py generator_model_100.h5 --vector 0.75     # one chosen latent point
    python generate.py generator_model_050.h5 --labels 0,3-5    # chosen classes, one a column
    python generate.py generator_model_050.h5 --labels cat,3    # the same by name, if they have one
    python generate.py generator_model_050.h5 --count 1000 --images samples --npz samples.npz

A file written by a script of this project describes itself (attribute `gan`). For a file of another
tutorial the same is worked out from its model: one float input is the latent point, a second input
of integers or of one number is the class label, a last sigmoid means pixels in [0, 1] and a last
tanh pixels in [-1, 1]. Files of Keras 2.2 to 2.15 open too. All of that is the work of
generator_files.py, that of laying images out is sheets.py's; both have to lie beside this file, in
which points are chosen and images drawn.

The same seed gives the same images, and a smaller --count the first images of a larger one. A grid
takes between 2 and 3 seconds on two CPU cores, nearly all of it the start of TensorFlow.

Sources: Machine Learning Mastery, "How to Develop a GAN for Generating MNIST Handwritten Digits"
and "How to Develop a GAN to Generate CIFAR10 Small Color Photographs" (their last sections, on the
final generator); the manners of the command line are those of StyleGAN3's gen_images.py.
"""

import argparse
import collections
import contextlib
import json
import math
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np

try:
    from generator_files import (
        GeneratorFileError,
        check_description,
        find_inputs,
        image_shape,
        open_generator,
        part_columns,
        quiet_stderr,
        read_description,
        replacing,
    )
    from sheets import save_picture, tile
except ImportError as error:
    if error.name not in ("generator_files", "sheets"):
        raise
    print(
        f"generate.py: error: {error.name}.py is missing beside generate.py, or too old: "
        "copy generate.py, generator_files.py and sheets.py from one place into one folder",
        file=sys.stderr,
    )
    raise SystemExit(2) from None

# keras and matplotlib are imported inside the functions that need them: TensorFlow takes seconds
# to start, and --help or a mistyped name should be answered at once.

GRID_CLASSES = 20  # columns of a picture at most, unless more are asked for
BATCH = 256  # images per call of the generator, so that memory does not grow with --count


def fail(message, program="generate.py"):
    """End the program with one line on stderr and exit status 2."""
    print(f"{program}: error: " + " ".join(str(message).split()), file=sys.stderr)
    raise SystemExit(2)


def warn(message, program="generate.py"):
    """Print one line on stderr and go on."""
    print(f"{program}: warning: {message}", file=sys.stderr)


def generate_latent_points(parts, n_samples, seed):
    """Draw latent points (n_samples, width), float32; one-hot parts are left at 0.

    "normal" is N(0, 1), "uniform" is [-1, 1]. `seed` is (--seed, number of the batch). Each part
    has a stream of its own, so the first points are the same however many are drawn.
    """
    columns = []
    for i, part in enumerate(parts):
        rng, shape = np.random.default_rng([*seed, i]), (n_samples, part["size"])
        if part["distribution"] == "normal":
            columns.append(rng.standard_normal(shape))
        elif part["distribution"] == "uniform":
            columns.append(rng.uniform(-1, 1, shape))
        else:
            columns.append(np.zeros(shape))
    return np.concatenate(columns, axis=1, dtype=np.float32)


def set_classes(points, labels, parts, meaning=None):
    """Write the classes (n,) into the one-hot part, if any, of latent points (n, width).

    `meaning` is the class of each category, where that is known and not the category's own number.
    """
    category = part_columns(parts, "one-hot")
    if category:
        order = np.argsort(meaning) if meaning else range(len(category))
        points[:, category] = np.eye(len(category))[order][labels]


def vector_points(vector, parts):
    """Return the latent points (n, width) that --vector asks for, and whether they are complete.

    `vector` is a number for all coordinates, or an array (n, width). Where the latent input has
    other parts than noise, both fill the noise alone, and codes are 0, the middle of their range;
    an array of the full width is complete, with classes and codes.
    """
    noise = part_columns(parts, "normal") or part_columns(parts, "uniform")
    width = sum(part["size"] for part in parts)
    if vector.ndim == 2 and vector.shape[1] == width:
        return vector, True
    if vector.ndim == 2 and vector.shape[1] != len(noise):
        widths = " or ".join(str(size) for size in sorted({len(noise), width}))
        fail(f"--vector: the points have {vector.shape[1]} coordinates, the generator's {widths}")
    points = np.zeros((len(vector) if vector.ndim else 1, width), np.float32)
    points[:, noise] = vector
    return points, False


def find_classes(text, names):
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
            fail(f"argument --labels: {text!r} is no list of classes such as 3 or 0,2,5-7")
        elif names and not first <= last < len(names):
            listed = ", ".join(repr(name[:40]) for name in names[:20])
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            last = len(names) - 1
            fail(f"--labels: no class {item!r}: classes 0 to {last} are {listed}{more}")
        classes.extend(range(first, last + 1))
    return classes


def plan_images(args, about):
    """Decide which images of the generator that `about` describes to make.

    `args.labels` are the classes asked for, a list of int, or None. Returns the latent points
    (n, width), or None where every image gets its own, drawn batch by batch; the classes (n,), int,
    all 0 for a generator without; the picture's rows and columns.
    """
    parts, classes, meaning = about["latent"], about["classes"], about.get("map")
    if args.labels and about["kind"] == "infogan" and not (meaning or about["class_names"]):
        warn("--labels counts categories, whose meaning is unknown here: evaluate.py finds it")
    if args.labels and not classes:
        warn("--labels is ignored: this generator has no classes")
    elif args.labels and max(args.labels) >= classes:
        fail(f"--labels: the classes of this generator are 0 to {classes - 1}")
    widest = 100 if args.labels or args.count else GRID_CLASSES
    columns = np.array(args.labels or range(classes)) if classes else np.array([0])
    rows, cols = args.grid or ((10, min(widest, len(columns))) if classes else (5, 5))
    points = None
    if args.vector is not None:
        points, complete = vector_points(args.vector, parts)
        category = part_columns(parts, "one-hot")
        if complete and category:
            labels, across = points[:, category].argmax(axis=1), 1
            labels = np.take(meaning or range(classes), labels)
            if args.labels:
                warn("--labels is ignored: the points of --vector hold their classes")
        else:
            across = len(columns) if args.labels else 1
            labels = np.tile(columns[:across], len(points))
            points = points.repeat(across, axis=0)
            set_classes(points, labels, parts, meaning)
        if not args.grid:  # one column a class, or else a square
            cols = min(100, across if across > 1 else math.ceil(math.sqrt(len(points))))
            rows = 100
    elif args.count or not classes:
        labels = np.resize(columns, args.count or rows * cols)
    else:  # a row shares its latent point, a column its class
        points = generate_latent_points(parts, rows, (args.seed, 0)).repeat(cols, axis=0)
        labels = np.tile(np.resize(columns, cols), rows)
        set_classes(points, labels, parts, meaning)
    return points, labels, min(rows, math.ceil(len(labels) / cols)), cols


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


def draw_images(model, inputs, about, points, labels, seed):
    """Yield batches: images (n, height, width, channels) in [0, 1], latent points, classes.

    `points` and `labels` are those of `plan_images`, `inputs` those of `find_inputs`.
    """
    parts, pixel_range = about["latent"], about["pixel_range"]
    for start in range(0, len(labels), BATCH):
        batch_labels = labels[start : start + BATCH]
        if points is None:
            batch = generate_latent_points(parts, len(batch_labels), (seed, start // BATCH))
            set_classes(batch, batch_labels, parts, about.get("map"))
        else:
            batch = points[start : start + BATCH]
        images = run_model(model, batch, batch_labels, *inputs)
        if pixel_range is None:
            pixel_range = (-1, 1) if images.min() < -0.2 else (0, 1)
            warn(f"the range of the pixels is guessed: {pixel_range[0]} to {pixel_range[1]}")
        low, high = pixel_range
        yield ((images - low) / (high - low)).clip(0, 1), batch, batch_labels


@contextlib.contextmanager
def npz_writer(path, shape, arrays):
    """Write an .npz file batch by batch, where np.savez would need all images at once.

    Yields an open file that takes the bytes of the images, float32 of `shape` (n, h, w, c). The
    dict `arrays`, which may be filled meanwhile, holds what follows them.
    """
    header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:  # may exceed 2 GiB
            np.lib.format.write_array_header_1_0(file, header)
            yield file
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)


def class_folders(classes, names):
    """Return the names of the sub-folders of --images, one a class; ["."] without classes.

    They are the names of the classes if these are usable. Names come out of a file and may be
    anything, such as "../x": then each folder has its class's number and what is harmless of the
    name. Without names the numbers have one length, so that sorting them sorts the classes.
    """
    numbers = [f"{k:0{len(str(classes - 1))}d}" for k in range(classes)]
    harmless = [re.sub(r"[^\w .()+-]", "_", name)[:60].strip(" .") for name in names]
    different = len({name.casefold() for name in harmless}) == len(names)  # on any file system
    if harmless != names or not all(names) or not different:
        return [f"{k}_{name}" for k, name in zip(numbers, harmless, strict=True)]
    return names or numbers or ["."]


def save_images(folder, images, labels, subfolders, counts):
    """Write images (n, h, w, c) in [0, 1] as 8-bit PNG files with the pixels the generator gave.

    `subfolders` are those of `class_folders`: with classes, what the training scripts' --data
    takes. `counts` is a Counter of the files written so far, by sub-folder.
    """
    import keras

    for image, label in zip(images, labels, strict=True):
        name = subfolders[label]
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / name / f"image_{counts[name]:05d}.png"
        pixels = np.rint(image * 255)
        keras.utils.save_img(path, pixels, data_format="channels_last", scale=False)
        counts[name] += 1


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


def choose_snapshot(path):
    """Return the snapshot to sample, for a file itself, and what evaluate.py found of it, a dict.

    What it found, with "map" and "class_names", is of a run's best snapshot alone.
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
            fail(f"{best} is damaged: run evaluate.py again, or remove it")
        return path, {}  # beside a single file it may be anybody's
    if not path.is_dir():
        return path, meaning if name == path.name else {}
    if name is not None and (not isinstance(name, str) or Path(name).name != name):
        fail(f"{best} names no file of its own folder: run evaluate.py again, or remove it")
    last = sorted(file.name for file in folder.glob("generator_model_*.h5"))[-1:]
    snapshot = folder / (name or "".join(last) or "generator_model_NNN.h5")
    if not snapshot.is_file():
        fail(f"{folder} holds no snapshot {snapshot.name}")
    print(f"Sampling {snapshot.name}, the {'best' if name else 'last'} snapshot of {folder}")
    return snapshot, meaning


def parse_args(argv):
    """Read the command line; mistakes that show without the model end the program here."""
    description = "Sample a trained generator and write the images as one picture."
    parser = argparse.ArgumentParser("generate.py", description=description, allow_abbrev=False)
    parser.error = fail  # one line, without the usage
    add = parser.add_argument
    model = "generator, as saved with model.save(), or a run: its best snapshot, or else its last"
    add("model", metavar="MODEL.h5|RUN", type=Path, help=model)
    add("--out", metavar="FILE.png", type=Path, help="the picture (default: MODEL_samples.png)")
    add(
        "--grid",
        metavar="RxC",
        type=parse_grid,
        help="its rows and columns (default: 5x5; with classes 10 rows, each of one latent point, "
        "and a column for each of the first 20 classes)",
    )
    add("--seed", metavar="N", type=int, default=1, help="of the random numbers (default: 1)")
    add(
        "--labels",
        metavar="L",
        help="classes of the columns: 3 or 0-9 or 0,2,5-7, or their names if they have any, as in "
        "cat,ship (default: all, of which a grid shows the first 20; with --vector 0)",
    )
    vector = "latent points: a number, for all coordinates of one, or a .npy file (n, width)"
    add("--vector", metavar="V", type=parse_vector, help=vector)
    add(
        "--count",
        metavar="N",
        type=int,
        help="images for --images and --npz, each of its own latent point, classes in turn; the "
        "picture shows the first",
    )
    images = "write the images as PNG files into a new folder, by class if there are classes"
    add("--images", metavar="DIR", type=Path, help=images)
    npz = "write images (n, h, w, c) in [0, 1], and labels, class_names and codes if any"
    add("--npz", metavar="FILE.npz", type=Path, help=npz)
    add("--show", action="store_true", help="open the picture in a window")
    args = parser.parse_args(argv)
    args.model, args.meaning = choose_snapshot(args.model)
    args.out = args.out or Path(f"{args.model.stem}_samples.png")
    if args.seed < 0 or (args.count is not None and args.count < 1):
        fail("--seed starts at 0 and --count at 1")
    if args.images and not args.count:
        fail("--images needs --count N, the number of images")
    if args.count and not (args.images or args.npz):
        fail("--count needs --images DIR or --npz FILE.npz; for a larger picture use --grid RxC")
    if args.count and args.vector is not None:
        fail("--count draws points at random: give it or --vector, not both")
    for path, suffix in ((args.out, ".png"), (args.npz, ".npz"), (args.images, "")):
        if path and suffix and path.suffix.lower() != suffix:
            fail(f"{path}: the name must end in {suffix}")
        if path and suffix and path.is_dir():
            fail(f"{path} is a folder: give the name of a file")
        if path and not os.access(path.absolute().parent, os.W_OK | os.X_OK):
            fail(f"cannot write to the folder {path.parent}: create it or choose another")
    if args.images and args.images.exists():
        if not args.images.is_dir() or any(args.images.iterdir()):
            fail(f"{args.images} is not an empty folder: choose a new one")
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    try:
        about = (read_description(args.model) or {"class_names": []}) | args.meaning
        if args.labels is not None:  # before TensorFlow starts, which takes seconds
            args.labels = find_classes(args.labels, about["class_names"])
        model, about = open_generator(args.model)
        about = check_description(args.model, about | args.meaning)
    except GeneratorFileError as error:
        fail(error)
    inputs, classes = find_inputs(model), about["classes"]
    points, labels, rows, cols = plan_images(args, about)

    batches = draw_images(model, inputs, about, points, labels, args.seed)
    n, shape = len(labels), image_shape(model.output_shape)
    subfolders = class_folders(classes, about["class_names"])
    arrays = {"labels": labels} if classes else {}
    if about["class_names"]:
        arrays["class_names"] = np.array(about["class_names"])
    npz = npz_writer(args.npz, (n, *shape), arrays) if args.npz else contextlib.nullcontext()
    shown, codes, counts = [], [], collections.Counter()
    try:
        with npz as file:
            for images, batch, batch_labels in batches:
                shown.extend(images[: rows * cols - len(shown)])
                codes.append(batch[:, part_columns(about["latent"], "uniform")])
                if args.images:
                    save_images(args.images, images, batch_labels, subfolders, counts)
                if args.npz:
                    file.write(images)
            save_picture(args.out, tile(np.array(shown), rows, cols))
            if about["kind"] == "infogan":
                arrays["codes"] = np.concatenate(codes)
    except GeneratorFileError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or args.npz or args.out}: {error.strerror or error}")
    except KeyboardInterrupt:
        warn("interrupted")
        raise SystemExit(130) from None
    places = {args.out: min(n, rows * cols), args.images: n, args.npz: n}
    done = [f"{k} image{'s' if k > 1 else ''} in {path}" for path, k in places.items() if path]
    print(", ".join(done))
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
