"""What an evaluation leaves behind: tables, curves, the film of the grids, and the page."""

import base64
import csv
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw  # Matplotlib brings it

COLUMNS = ("file", "epoch", "frechet", "frechet_se", "kernel", "kernel_se", "precision", "recall")
COLUMNS += ("density", "coverage", "entropy", "missing", "agreement", "near_copies", "repetition")
SHOWN = ("frechet", "kernel", "precision", "recall", "coverage", "missing", "agreement")


def plain(text):
    """Return a text out of a file without control characters, at most 40 characters of it."""
    return "".join(c for c in str(text) if c.isprintable())[:40]


def print_table(rows, floor):
    """Print the scores that fit into a terminal, best first, and those of real test images."""
    rows = [*rows, {**floor, "rank": "", "file": "real test images"}]
    width = max(len(plain(row["file"])) for row in rows)
    shown = [name for name in SHOWN if any(name in row for row in rows)]
    print(f"{'':4}{'':{width}}" + "".join(f"{name:>10}" for name in shown))
    for row in rows:
        cells = [f"{row[name]:10.3g}" if name in row else " " * 10 for name in shown]
        print(f"{row['rank']:<4}{plain(row['file']):{width}}" + "".join(cells))


def save_scores(path, rows):
    """Write scores.csv: a row a file, by name; a cell is empty where a figure cannot be had."""
    with open(path, "w", newline="") as file:
        columns = dict.fromkeys([*COLUMNS, *(key for row in rows for key in row)])
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["file"]))


def save_curves(path, rows, floor):
    """Draw the Fréchet distance, its standard error and the floor, and shares, over the epochs."""
    x, names = range(len(rows)), [str(row["epoch"]) for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    distances, errors = ([row[key] for row in rows] for key in ("frechet", "frechet_se"))
    left.errorbar(x, distances, errors, marker="o", capsize=3)
    left.axhline(floor["frechet"], linestyle=":", color="grey", label="real test images")
    left.set(title="Fréchet distance, lower is better", yscale="log")
    for key in ("precision", "recall", "coverage", "agreement"):
        if key in rows[0]:
            right.plot(x, [row[key] for row in rows], marker=".", label=key)
    right.set(title="shares, higher is better", ylim=(0, 1.05))
    for axes in (left, right):
        axes.set_xticks(x, names)
        axes.set_xlabel("epoch")
        axes.legend(fontsize=8)
    figure.savefig(path)
    plt.close(figure)


def picture(grid, title=""):
    """Return an image (h, w, c) in [0, 1] as a picture, grey ones inverted; the title above it."""
    grid = 1 - grid[..., 0] if grid.shape[2] == 1 else grid
    top = [(20 if title else 0, 0), (0, 0), (0, 0)][: grid.ndim]
    image = Image.fromarray(np.rint(np.pad(grid, top, constant_values=1) * 255).astype(np.uint8))
    ImageDraw.Draw(image).text((6, 4), title, fill=0)
    return image


def save_film(path, grids, titles):
    """Write a GIF of the grids (h, w, c) in [0, 1], the titles above them."""
    first, *others = [picture(*frame) for frame in zip(grids, titles, strict=True)]
    first.save(path, save_all=True, append_images=others, duration=600, loop=0)


def as_url(data):
    """Return a data URL of a PNG: the bytes of one, or an image (h, w, c) in [0, 1]."""
    if not isinstance(data, bytes):
        buffer = io.BytesIO()
        picture(data).save(buffer, "png")
        data = buffer.getvalue()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def save_page(path, **content):
    """Write report.html: the template beside this file, with all that it shows inside.

    Texts go in as JSON in which nothing can end the script; the page puts them in place as text.
    """
    text = json.dumps(content).replace("<", "\\u003c")
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    path.write_text(template.replace("{{content}}", text), encoding="utf-8")
