"""What the texts of a command line mean: seeds, ranges, formulas; for argparse's `type`.

Each function takes a text and returns its value, or raises argparse.ArgumentTypeError.
"""

import argparse
import re

import numpy as np

from sampling.points import PointError, parse_parts

MOST_SEEDS = 10_000


def refuse(message):
    """Raise the error of which argparse makes one line."""
    raise argparse.ArgumentTypeError(message)


def number(low, high, kind=int):
    """Return a function that reads a number from low to high."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            refuse(f"{text!r} is no number from {low} to {high}")
        return value

    return parse


def seeds(text):
    """Return the seeds, a list of int, of a text such as 0-9,42."""
    if not re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text):
        refuse(f"{text!r} is no list of seeds such as 3 or 0-9,42")
    ranges = []
    for item in text.split(","):
        first, _, last = item.partition("-")
        ranges.append(range(int(first), int(last or first) + 1))
    n = sum(len(seeds) for seeds in ranges)
    if n > MOST_SEEDS or not all(ranges):
        refuse(f"{text!r} names {n if all(ranges) else 0} seeds, not 1 to {MOST_SEEDS:,}")
    return [seed for seeds in ranges for seed in seeds]


def grid(text):
    """Return (rows, columns) of a text such as 5x5."""
    match = re.fullmatch(r"(\d{1,3})x(\d{1,3})", text)
    if match is None or not all(1 <= int(size) <= 100 for size in match.groups()):
        refuse(f"{text!r} is not ROWSxCOLUMNS, each 1 to 100, as in 5x5")
    return int(match[1]), int(match[2])


def cell(text):
    """Return (row, column) of a text such as 3,7."""
    match = re.fullmatch(r"(\d{1,3}),(\d{1,3})", text)
    if match is None:
        refuse(f"{text!r} is not ROW,COLUMN, as in 3,7")
    return int(match[1]), int(match[2])


def formula(text):
    """Return a text such as 0+1-2, without spaces, if it adds and takes away seeds."""
    tight = text.replace(" ", "")
    if not re.fullmatch(r"\d{1,9}([+-]\d{1,9}){1,9}", tight):
        refuse(f"{text!r} adds and takes away no seeds, as 0+1-2 does")
    return tight


def code(text):
    """Return the values, a list of float, of a code: of a text such as 0.5 or -2:2:10."""
    try:
        if ":" in text:
            low, high, n = text.split(":")
        else:
            low = high = text
            n = 1
        values = np.linspace(float(low), float(high), int(n)).tolist()
    except ValueError:
        values = []
    if not 1 <= len(values) <= 100 or not np.isfinite(values).all():
        refuse(f"{text!r} is neither a number nor FROM:TO:COUNT, as in -2:2:10")
    return values


def vector(text):
    """Return the points of --vector: a number as an array (), a .npy file as (n, width)."""
    try:
        points = np.asarray(float(text), np.float32)
    except ValueError:
        points = read_points(text)
    if points.ndim not in (0, 2) or not points.size or not np.isfinite(points).all():
        refuse(f"{text!r} holds no finite points (width,) or (n, width)")
    return points


def read_points(path):
    """Return the points in a .npy file, one (width,) or several (n, width), as (n, width)."""
    try:
        return np.atleast_2d(np.load(path, allow_pickle=False)).astype(np.float32)
    except Exception:  # np.load has no common exception for a file that is something else
        refuse(f"{path!r} is neither a number nor a .npy file of numbers")


def pixel_range(text):
    """Return (low, high) of a text such as -1,1."""
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0
    if not (low < high and np.isfinite(high - low)):
        refuse(f"{text!r} is not LOW,HIGH, as in -1,1")
    return low, high


def latent(text):
    """Return the parts of a latent input that a text such as noise:62,category:10 names."""
    try:
        return parse_parts(text)
    except PointError as error:
        refuse(error)


def add_flags_of_strangers(parser):
    """Give a parser --latent and --range, which say what the file of another tutorial does not."""
    add = parser.add_argument_group("a file that does not describe itself").add_argument
    parts = "what its input is made of, as in noise:62,category:10,codes:2"
    add("--latent", metavar="PARTS", type=latent, help=parts)
    pixels = "what its pixels range over, as in -1,1"
    add("--range", metavar="LOW,HIGH", type=pixel_range, help=pixels)
