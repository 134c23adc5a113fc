"""What an evaluation leaves behind: tables, curves, the film of the grids, and the page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sampling.program import plain
from sampling.sheets import as_png, as_url, save_animation

# Figures that fit into a terminal, and those that are shares of images
SHOWN = ("frechet", "kernel", "precision", "recall", "coverage", "missing", "agreement")
SHARES = ("precision", "recall", "coverage", "agreement")
FRAME = 600  # milliseconds, of the film


def print_table(rows, floor):
    """Print the scores that fit into a terminal, best first, and those of real test images."""
    shown = [name for name in SHOWN if any(name in row for row in rows)]
    width = max(len(plain(row["file"])) for row in rows) + 6
    print(" " * width + "".join(f"{name:>10}" for name in shown))
    for row in [*rows, {**floor, "rank": "", "file": "test images"}]:
        cells = [f"{row[name]:10.3g}" if name in row else " " * 10 for name in shown]
        head = f"{row['rank']:<4}{plain(row['file'])}"
        print(head.ljust(width) + "".join(cells))


def number_order(name):
    """Return what puts file names in order, 505 before 1010: the name with its numbers padded."""
    return re.sub(r"\d+", lambda number: number[0].zfill(12), name)


def epoch_order(row):
    """Return what puts rows in the order of their epochs; files without one come first, by name."""
    if row["epoch"] is None:
        return (-1, number_order(row["file"]))
    return (row["epoch"], "")


def label(row):
    """Return the name of a row in pictures: its epoch, or else its file's, in letters fonts have.

    The dollar sign, which would begin a formula of Matplotlib, is none of these.
    """
    if row["epoch"] is not None:
        return str(row["epoch"])
    return re.sub(r"[^ -~]|\$", "?", plain(Path(row["file"]).stem))


def save_scores(path, rows):
    """Write scores.csv: a row a file, by name; a cell is empty where a figure cannot be had."""
    columns = dict.fromkeys(key for row in rows for key in row)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: number_order(row["file"])))


def save_curves(path, rows, floor):
    """Draw the Fréchet distance, its standard error and the floor, and shares, over the epochs."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")  # no window, whatever the backend
    axes = figure.subplots(1, 2)
    left, right = axes
    x = [label(row) for row in rows]
    distances = [row["frechet"] for row in rows]
    errors = [row["frechet_se"] for row in rows]
    left.errorbar(x, distances, errors, marker="o", capsize=3)
    left.axhline(floor["frechet"], linestyle=":", color="grey", label="test images")
    for name in SHARES:
        if any(name in row for row in rows):
            right.plot(x, [row.get(name, np.nan) for row in rows], marker=".", label=name)
    left.set(title="Fréchet distance, lower is better", yscale="log")
    right.set(title="shares, higher is better", ylim=(0, 1.05))
    for part in axes:
        if any(row["epoch"] is None for row in rows):
            part.set_xlabel("epoch or file")
            for text in part.get_xticklabels():
                text.set(rotation=20, horizontalalignment="right")
        else:
            part.set_xlabel("epoch")
        part.legend(fontsize=8)
    figure.savefig(path)


def save_film(path, rows, details):
    """Write the grids of `details` as an animation, the epoch or the file above each."""
    frames = []
    for row, detail in zip(rows, details, strict=True):
        title = label(row)
        if row["epoch"] is not None:
            title = f"epoch {title}"
        frames.append((detail["grid"], title))
    save_animation(path, frames, FRAME)


def save_page(path, rows, facts, details, pictures):
    """Write report.html, of the template beside this file.

    `details` are those of each row, `pictures` files that are shown, too, if they exist. Texts go
    into the page as JSON that cannot end the script, and it shows them as text.
    """
    shown = []
    for detail in details:
        urls = {name: as_url(as_png(detail[name])) for name in ("grid", "neighbours")}
        shown.append(detail | urls)
    curves = [as_url(picture.read_bytes()) for picture in pictures if picture.exists()]
    content = {"facts": facts, "rows": rows, "curves": curves, "details": shown}
    text = json.dumps(content).replace("<", "\\u003c")
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    path.write_text(template.replace("{{content}}", text), encoding="utf-8")


def save_report(folder, results, facts, losses):
    """Write scores.csv, scores.png, timeline.gif, report.html and best.json into a folder.

    `results` have row and details of each file, best first, `facts` what best.json holds, and
    `losses` a picture that is shown, too, if it exists.
    """
    ranked = [result.row for result in results]
    save_scores(folder / "scores.csv", ranked)
    ordered = sorted(results, key=lambda result: epoch_order(result.row))
    rows = [result.row for result in ordered]
    save_curves(folder / "scores.png", rows, facts["floor"])
    save_film(folder / "timeline.gif", rows, [result.details for result in ordered])
    details = [result.details for result in results]
    save_page(folder / "report.html", ranked, facts, details, [folder / "scores.png", losses])
    (folder / "best.json").write_text(json.dumps(facts, indent=1))
