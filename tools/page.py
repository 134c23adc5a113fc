"""Write a trained generator as one web page, which draws with it in the reader's browser.

    python tools/page.py pretrained/cgan_mnist.h5 --out cgan.html
    python tools/page.py runs/mnist_gan                             # the best snapshot of a run

The page is page.html, beside this file, with page_engine.js, which draws, and the generator put in:
what it is and the steps it takes (page_steps.py), as JSON, and their weights, as base64. These are
float16, those of each channel divided by the largest, which is kept as float32: so they lose a
2,000th at most. They stand in pieces, for WebKit takes up to 20 s to read a script of 17 MB.
"""

import argparse
import base64
import functools
import json
import math
import os
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import page_steps

from sampling import arguments, checks, draw, files, program
from sampling.describe import image_shape
from sampling.points import code_columns, part_columns
from sampling.program import plain

TEMPLATE = Path(__file__).with_name("page.html")
ENGINE = Path(__file__).with_name("page_engine.js")
TUTORIALS = Path(__file__).with_name("tutorials.json")
PIECE = 45_000  # bytes of weights in one script: 60,000 letters
# What a page says that a generator draws, by a part of its data set's name; the first that fits.
SUBJECTS = {
    "fashion": "clothes",
    "kmnist": "characters",
    "emnist": "characters",
    "mnist": "digits",
    "digit": "digits",
    "cifar": "small photographs",
    "object": "objects",
    "emoji": "emoji",
    "face": "faces",
    "celeb": "faces",
}
MEASURES = {"slant": "slant", "stroke": "stroke width"}  # of code1_slant, ... among the scores
SCORES = ("frechet", "precision", "recall", "coverage", "agreement")

fail = functools.partial(program.fail, "page.py")
warn = functools.partial(program.warn, "page.py")


def score_of(about, name):
    """Return a score of a generator by its name, a finite float, or None where it has none."""
    scores = about.get("scores")
    if not isinstance(scores, dict):
        return None
    score = scores.get(name)
    if isinstance(score, float) and math.isfinite(score):
        return score
    return None


def finite_scores(about):
    """Return those of SCORES that a generator has, a dict."""
    found = {name: score_of(about, name) for name in SCORES}
    return {name: score for name, score in found.items() if score is not None}


def code_meanings(about):
    """Return for each code of an InfoGAN what it goes with most, as measured, or "".

    A rank correlation below 0.3 is taken for none.
    """
    meanings = []
    for k in range(1, len(code_columns(about)) + 1):
        meaning = ""
        strongest = 0.3
        for measure, name in MEASURES.items():
            strength = abs(score_of(about, f"code{k}_{measure}") or 0)
            if strength >= strongest:
                strongest = strength
                meaning = name
        meanings.append(meaning)
    return meanings


def subject(about):
    """Return what a generator draws, a word for the page's title, by the data it was trained on."""
    data = about.get("data")
    name = str(data.get("name")).lower() if isinstance(data, dict) else ""
    for part, word in SUBJECTS.items():
        if part in name:
            return word
    names = about["class_names"]
    if names == [*"0123456789"]:
        return "digits"
    if names and all(len(name) == 1 for name in names):
        return "characters"
    return "pictures"


def describe(model, about):
    """Return what the page is to know of a generator, a dict for JSON, and the weights as bytes.

    Raises GeneratorFileError for a layer with which a page cannot draw.
    """
    steps, last = page_steps.make_steps(model)
    singles, halves = page_steps.pack_weights(steps)
    script = plain(about.get("script", ""))
    tutorials = json.loads(TUTORIALS.read_text(encoding="utf-8"))
    category_of_class = np.argsort(about.get("map") or range(about["classes"]))
    content = {
        "last": last,
        "steps": steps,
        "singles": len(singles) // 4,  # how many weights are float32
        "scores": finite_scores(about),
        "subject": subject(about),
        "meanings": code_meanings(about),
        "kind": about["kind"],
        "shape": image_shape(model.output_shape),
        "classes": about["classes"],
        "range": about["pixel_range"],
        "names": [plain(name) for name in about["class_names"]],
        "script": script,
        "epoch": plain(about.get("epoch", "")),
        "tutorial": tutorials.get(script),  # its name and, where known, its address
    }
    for distribution in ("normal", "uniform", "one-hot"):
        content[distribution] = part_columns(about["latent"], distribution)
    content["order"] = category_of_class.tolist()
    content["codes"] = code_columns(about)
    content["parameters"] = model.count_params()
    return content, singles + halves


def in_pieces(weights):
    """Return the weights as base64 in scripts of PIECE bytes, each to be decoded by itself."""
    pieces = [weights[start : start + PIECE] for start in range(0, len(weights), PIECE)]
    return "\n".join(
        f'<script class="weights" type="text/plain">{base64.b64encode(piece).decode()}</script>'
        for piece in pieces
    )


def write_page(out, content, weights):
    """Write the page to the file `out`, whole or not at all."""
    # No text out of a generator's file may end the script that holds it.
    text = json.dumps(content).replace("<", "\\u003c")
    page = TEMPLATE.read_text(encoding="utf-8")
    page = page.replace("{{engine}}", ENGINE.read_text(encoding="utf-8"))
    page = page.replace("{{weights}}", in_pieces(weights))
    page = page.replace("{{content}}", text)  # last: a text may hold {{weights}}
    with program.replacing(out) as part:
        part.write_text(page, encoding="utf-8")


def open_model(path, meaning, args):
    """Open the generator in a file; return its model and description.

    `meaning` is what evaluate.py found of it, a dict.
    """
    foreign = files.read_description(path) is None  # before TensorFlow starts, for seconds
    model, about, granted = draw.open_to_draw(path, meaning, foreign, args.latent, args.range)
    for line in granted:
        warn(line)
    return model, about


def parse_args(argv):
    """Read the command line."""
    parser = argparse.ArgumentParser("page.py", description=__doc__.splitlines()[0])
    parser.error = fail  # one line, without the usage
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # "--range -1,1" has a value
    add = parser.add_argument
    add("model", metavar="MODEL|RUN", type=Path, help="generator, or a run: its best, or last")
    add("--out", metavar="FILE.html", type=Path, help="the page (default: beside the generator)")
    arguments.add_flags_of_strangers(parser)
    return parser.parse_args(argv)


def make_page(args):
    """Make the page that the command line asks for; return its path."""
    path, meaning, place = files.choose_snapshot(args.model)
    if place:
        print(f"Sampling {path.name}, the {place} snapshot of {args.model}")
    out = args.out or path.with_suffix(".html")
    if out.suffix.lower() != ".html" or not os.access(out.absolute().parent, os.W_OK):
        fail(f"cannot write {out}: give a name that ends in .html, in a folder to write to")
    model, about = open_model(path, meaning, args)
    content, weights = describe(model, about)
    try:
        write_page(out, content | {"file": plain(path.name)}, weights)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror or error}")
    return out


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); returns None or raises SystemExit(2)."""
    args = parse_args(argv)
    try:
        out = make_page(args)
    except checks.GeneratorFileError as error:
        fail(error)
    print(f"{out}, {out.stat().st_size / 2**20:.1f} MB: open it in a browser")


if __name__ == "__main__":
    program.run("page.py", main)
