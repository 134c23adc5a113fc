# /// script
# requires-python = ">=3.11"
# dependencies = ["tensorflow==2.21.*", "keras==3.15.*", "numpy==2.*", "matplotlib==3.*",
#     "h5py==3.*", "pillow>=11,<14"]
# ///
"""Sample a trained generator: load its file, draw images, write them as a picture or as data.

    python generate.py runs/mnist_gan                           # its best snapshot, or the last
    python generate.py generator_model_100.h5 --seeds 0-9,42    # chosen images, one a seed
    python generate.py generator_model_100.h5 --interpolate 3,7,12 --out walk.gif
    python generate.py generator_model_050.h5 --labels cat,3-5  # chosen classes, one a column
    python generate.py generator_model_050.h5 --text 31415      # a number in one handwriting
    python generate.py generator_model_050.h5 --category 3 --code1 -2:2:10       # of an InfoGAN
    python generate.py generator_model_050.h5 --count 1000 --images samples --npz samples.npz
    python generate.py generator_model_050.h5 --find my_7.png   # the nearest it can draw
    python generate.py generator_model_050.h5 --explore         # a window with sliders

A file written by a script of this project describes itself (attribute `gan`). For a file of another
tutorial the same is worked out from its model: one float input is the latent point, a second input
of integers or of one number is the class label, a last sigmoid means pixels in [0, 1]; otherwise
their range is told from images. --latent and --range say what cannot be seen. Files of Keras 2.2 to
2.15 open too, and .keras files, and a description in JSON with its weights beside it.

Each image has a seed and can be drawn again by it: a sheet without --seeds begins with --seed and
counts on. This file reads the command line and plans which images are drawn; from there on it is
the package sampling/, which has to lie beside it: points.py makes points of seeds, draw.py images
of points, sheets.py files of images; find.py goes the other way, from an image to a point.

Sources: Machine Learning Mastery, "How to Develop a GAN for Generating MNIST Handwritten Digits"
and "How to Develop a GAN to Generate CIFAR10 Small Color Photographs" (their last sections, on the
final generator); arithmetic: Radford et al. 2015, arXiv:1511.06434; walks on a sphere: White 2016,
arXiv:1609.04468; the manners of the command line are those of StyleGAN3's gen_images.py.
"""

import argparse
import collections
import contextlib
import functools
import hashlib
import os
import re
import shlex
import sys
from pathlib import Path

import numpy as np

OTHER_VERSION = (
    "the folder sampling/ is missing beside generate.py, or of another version: copy both from one "
    "place into one folder"
)
try:
    from sampling import arguments, checks, classes, draw, files, find, points, program, sheets
    from sampling.plan import choose_classes, is_film, name_picture, name_seeds, plan_images
except ImportError as error:
    if (error.name or "").partition(".")[0] != "sampling":
        raise
    print(f"generate.py: error: {OTHER_VERSION}", file=sys.stderr)
    raise SystemExit(2) from None

# keras and matplotlib are imported inside the functions that need them: TensorFlow takes seconds
# to start, and --help or a mistyped name should be answered at once.

FRAME = 80  # milliseconds, of an animation

fail = functools.partial(program.fail, "generate.py")
warn = functools.partial(program.warn, "generate.py")


# ---- the command line ----------------------------------------------------------------------------


def make_parser():
    """Return the parser of the command line."""
    description = "Sample a trained generator and write the images as one picture."
    parser = argparse.ArgumentParser("generate.py", description=description, allow_abbrev=False)
    parser.error = fail  # one line, without the usage
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # "--code1 -2:2:10" has a value
    model = "file of a generator, .h5 or .keras, or a run: its best snapshot, or else its last"
    parser.add_argument("model", metavar="MODEL|RUN", type=Path, help=model)

    add = parser.add_argument_group("points").add_mutually_exclusive_group().add_argument
    add("--seeds", metavar="S", type=arguments.seeds, help="draw these seeds, as in 0-9,42")
    count = "draw so many for --images and --npz, classes in turn; the picture shows the first"
    add("--count", metavar="N", type=arguments.number(1, 10**6), help=count)
    cell = "draw row R, column C of the run's own grids"
    add("--cell", metavar="R,C", type=arguments.cell, help=cell)
    vector = "draw a point: a number for all its coordinates, or points: a .npy file (n, width)"
    add("--vector", metavar="V", type=arguments.vector, help=vector)
    walk = "walk between seeds, as in 3,7,12"
    add("--interpolate", metavar="S", type=arguments.seeds, help=walk)
    formula = "calculate with seeds, as in 0+1-2"
    add("--arithmetic", metavar="F", type=arguments.formula, help=formula)
    search = "search for the point that draws a picture; write both, and the point as .npy"
    add("--find", metavar="PICTURE", type=Path, help=search)

    add = parser.add_argument_group("more about the points").add_argument
    first = arguments.number(0, 10**9)
    add("--seed", metavar="N", type=first, default=1, help="the first seed (1)")
    steps = "of a walk from seed to seed (8)"
    add("--steps", metavar="N", type=arguments.number(1, 1000), help=steps)
    truncate = "shrink the noise to this share: fewer odd images, less variety"
    add("--truncate", metavar="PSI", type=arguments.number(0, 1, float), help=truncate)

    group = parser.add_argument_group("classes and codes")
    add = group.add_mutually_exclusive_group().add_argument
    labels = "classes: 3 or 0-9 or 0,2,5-7, or their names, as in cat,ship"
    add("--labels", metavar="L", help=labels)
    text = "classes of one letter each: 31415 for 3,1,4,1,5, in one style"
    add("--text", metavar="T", help=text)
    category = "an InfoGAN's categories, whatever they mean: 3 or 0-9"
    add("--category", metavar="K", help=category)
    for code in ("--code1", "--code2"):
        help = "value of an InfoGAN's code, or FROM:TO:COUNT"
        group.add_argument(code, metavar="V", type=arguments.code, help=help)

    arguments.add_flags_of_strangers(parser)

    written = "grey sheets are drawn dark on white; --images and --npz keep the generator's values"
    add = parser.add_argument_group("what is written", written).add_argument
    out = "picture, or FILE.gif with --interpolate (default: beside the model, named by the seeds)"
    add("--out", metavar="FILE.png", type=Path, help=out)
    grid = "rows and columns of the picture, as in 5x5"
    add("--grid", metavar="RxC", type=arguments.grid, help=grid)
    images = "write the images of --count or --seeds as PNG files into a new folder, by class"
    add("--images", metavar="DIR", type=Path, help=images)
    npz = "write images (n, h, w, c) in [0, 1], latent, and seeds, labels, codes if any"
    add("--npz", metavar="FILE.npz", type=Path, help=npz)
    add("--show", action="store_true", help="open the picture in a window")
    add("--explore", action="store_true", help="open a window with sliders instead")
    return parser


def check_flags(args):
    """Refuse flags that do not go together."""
    if args.images and not (args.count or args.seeds):
        fail("--images needs --count N or --seeds, the images to write")
    if args.count and not (args.images or args.npz):
        fail("--count needs --images DIR or --npz FILE.npz; for a larger picture use --grid RxC")
    if args.count and any(len(code or []) > 1 for code in (args.code1, args.code2)):
        fail("--count takes one value of a code, not FROM:TO:COUNT")
    if args.interpolate and len(args.interpolate) < 2:
        fail("--interpolate needs two seeds at least, as in 3,7")
    if is_film(args) and not args.interpolate:
        fail(f"{args.out}: an animation needs --interpolate; other pictures end in .png")
    if args.find and not args.find.is_file():
        fail(f"--find: there is no file {args.find}")
    others = ("images", "npz", "grid", "truncate", "code1", "code2", "explore")
    if args.find and any(getattr(args, flag) for flag in others):
        fail(f"--find goes with none of --{', --'.join(others)}")
    if args.steps and not args.interpolate:
        warn("--steps is ignored: there is no --interpolate")


def check_places(args):
    """Refuse names under which nothing can be written."""
    endings = {args.out: (".png", ".gif"), args.npz: (".npz",)}
    for path, suffixes in endings.items():
        if path and path.suffix.lower() not in suffixes:
            fail(f"{path}: the name must end in {suffixes[0]}")
        if path and path.is_dir():
            fail(f"{path} is a folder: give the name of a file")
    beside_model = args.model.absolute().parent
    for path in (args.out, args.npz, args.images):
        folder = path and path.absolute().parent
        if path and folder != beside_model and not os.access(folder, os.W_OK):
            fail(f"cannot write to the folder {path.parent}: create it or choose another")
    if args.images and args.images.exists():
        if not args.images.is_dir() or any(args.images.iterdir()):
            fail(f"{args.images} is not an empty folder: choose a new one")


def parse_args(argv):
    """Read the command line; mistakes that show without the model end the program here.

    args.meaning is what evaluate.py found of the model, a dict, and args.model its file.
    """
    args = make_parser().parse_args(argv)
    given = args.model
    try:
        args.model, args.meaning, place = files.choose_snapshot(given)
    except checks.GeneratorFileError as error:
        fail(error)
    if place:
        print(f"Sampling {args.model.name}, the {place} snapshot of {given}")
    args.out = args.out or args.model.with_name(f"{args.model.stem}_{name_picture(args)}.png")
    check_flags(args)
    check_places(args)
    return args


# ---- from the plan to files ----------------------------------------------------------------------


def write(args, about, plan, batches, shape, text):
    """Write the images of `batches`, of `shape` (h, w, c), to all the places asked for.

    `text` is what each PNG says of itself, to which its seeds are added. Returns how many images
    stand in each place, {path: number}.
    """
    n = len(plan.labels)
    room = n if plan.frames > 1 else plan.rows * plan.cols
    subfolders = sheets.class_folders(about["classes"], about["class_names"])
    counts = collections.Counter()
    shown = []
    done = 0
    npz = contextlib.nullcontext()
    if args.npz:
        npz = sheets.npz_writer(args.npz, (n, *shape), plan_arrays(plan, about))
    with npz as file:
        for images in batches:
            shown.extend(images[: room - len(shown)])
            these = slice(done, done + len(images))
            done += len(images)
            if args.images:
                folders = [subfolders[label] for label in plan.labels[these]]
                texts = [text | {"Seeds": str(seed)} for seed in plan.seeds[these]]
                sheets.save_images(args.images, images, folders, counts, texts)
            if args.npz:
                file.write(images)
        # Within the block: if this fails, the file with arrays stays as it was, too.
        write_picture(args, plan, np.array(shown), text)
    places = {args.out: min(n, room), args.images: n, args.npz: n}
    return {path: number for path, number in places.items() if path}


def write_picture(args, plan, images, text):
    """Write the images (n, h, w, c) that the picture shows, as an animation or a sheet."""
    if plan.frames > 1:
        films = np.split(images, plan.frames)
        pictures = [(sheets.tile(film, plan.rows, plan.cols), "") for film in films]
        sheets.save_animation(args.out, pictures, FRAME)
        return
    if plan.seeds is not None:
        text = text | {"Seeds": name_seeds(dict.fromkeys(plan.seeds[: len(images)]))}
    sheets.save_picture(args.out, sheets.tile(images, plan.rows, plan.cols), text)


def plan_arrays(plan, about):
    """Return the arrays by name that --npz writes behind the images."""
    arrays = {"latent": plan.points}
    if plan.seeds is not None:
        arrays["seeds"] = plan.seeds
    if about["classes"]:
        arrays["labels"] = plan.labels
    if about["class_names"]:
        arrays["class_names"] = np.array(about["class_names"])
    if about["kind"] == "infogan":
        arrays["codes"] = plan.points[:, points.code_columns(about)]
    return arrays


def explore(model, about, args):
    """Open the window of --explore."""
    parts = about["latent"]

    def draw_one(seed, other, t, label, codes):
        ends = points.generate_latent_points(parts, [seed, other])
        point = points.between(*ends, t, parts)[None]
        point[0, points.code_columns(about)] = codes
        points.set_classes(point, [label], about)
        return next(draw.draw_images(model, about, point, np.array([label])))[0]

    n_codes = len(points.code_columns(about))
    try:
        from sampling.window import open_window

        open_window(draw_one, args.seed, about["classes"], about["class_names"], n_codes)
    except (ImportError, RuntimeError) as error:  # also where a backend of Matplotlib is missing
        fail(f"--explore: {error}")


def find_picture(model, about, args, text):
    """Search for the point of --find; write its image beside the picture, and the point.

    Returns how many images stand in the file, {path: number}.
    """
    from keras.utils import Progbar

    picture = find.read_picture(args.find, files.image_shape(model.output_shape))
    asked = choose_classes(args, about) or [*range(about["classes"])]
    shown = sys.stdout is not None and sys.stdout.isatty()
    progress = Progbar(find.N_STEPS, unit_name="step", verbose=int(shown))
    found = find.find_point(model, about, picture, asked, args.seed, lambda: progress.add(1))
    if found.inverted:
        print("The picture was inverted: its ground is now that of the generator's images")
    both = sheets.tile(np.array([found.picture, found.image]), 1, 2)
    sheets.save_picture(args.out, both, text)
    point = args.out.with_suffix(".npy")
    with program.replacing(point) as part, open(part, "wb") as file:
        np.save(file, found.point)
    line = f"Distance {found.distance:.3f} (root mean square; 1 is a pixel's whole range)"
    again = ["--vector", str(point)]
    if about["classes"]:
        names = about["class_names"] or range(about["classes"])
        line += f", class {names[found.label]}"
        again += ["--labels", str(names[found.label])]
    print(line)
    print(f"Draw it again with {shlex.join(again)}")
    return {args.out: 2}


def show(path):
    """Open a picture in a window and wait until it is closed."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() == "agg":
        fail(f"--show: no window can be opened here; the picture is in {path}")
    plt.imshow(plt.imread(path))
    plt.axis("off")
    plt.show()


def open_model(args):
    """Open the generator that the command line names; return its model and description."""
    own = files.read_description(args.model)  # before TensorFlow starts, which takes seconds
    names = args.meaning.get("class_names") or (own or {}).get("class_names", [])
    classes.read_classes(args, names)
    foreign = own is None
    model, about, granted = draw.open_to_draw(
        args.model, args.meaning, foreign, args.latent, args.range
    )
    for line in [*classes.fit_flags(args, about, foreign), *granted]:
        warn(line)
    return model, about


def draw_and_write(args, command):
    """Draw and write what the command line asks for; return what `write` returns."""
    model, about = open_model(args)
    if args.explore:
        explore(model, about, args)
        return {}
    text = {"Software": "generate.py", "Command": f"python {command}"}
    text["Model SHA-256"] = hashlib.sha256(args.model.read_bytes()).hexdigest()
    if args.find:
        return find_picture(model, about, args, text)
    plan = plan_images(args, about)
    batches = draw.draw_images(model, about, plan.points, plan.labels)
    return write(args, about, plan, batches, files.image_shape(model.output_shape), text)


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    command = shlex.join(["generate.py", *map(str, sys.argv[1:] if argv is None else argv)])
    try:
        places = draw_and_write(args, command)
    except (checks.GeneratorFileError, find.PictureError, points.PointError) as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename or args.npz or args.out}: {error.strerror or error}")
    except MemoryError:
        fail("there is not enough memory for so many images: draw fewer")
    written = [f"{n} image{'s' if n > 1 else ''} in {path}" for path, n in places.items()]
    if written:
        print(", ".join(written))
    if args.show:
        show(args.out)


if __name__ == "__main__":
    try:
        program.run("generate.py", main)
    except AttributeError as error:  # perhaps of a module of sampling/, which is an older one
        if not getattr(error.obj, "__name__", "").startswith("sampling."):
            raise
        fail(OTHER_VERSION)
