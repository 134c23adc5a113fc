"""What an evaluation leaves behind: tables, curves, the film of the grids, and the page."""

import csv
import json
import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from evaluation import ranking, web
from sampling.program import plain
from sampling.sheets import as_png, as_url, save_animation

# Figures that fit into a terminal, and those that are shares of images
SHOWN = ("frechet", "kernel", "precision", "recall", "coverage", "missing", "agreement")
SHARES = {
    "precision": "samples that lie among real images",
    "recall": "real images that lie among samples",
    "coverage": "real images with a sample near",
    "agreement": "samples of the class asked for",
}
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


def score_charts(rows, floor):
    """Return the charts of the page: distances and shares of rows, in the order of their epochs."""
    x = [row["epoch"] for row in rows]
    if None in x:
        x = [label(row) for row in rows]
    distances = [row["frechet"] for row in rows]
    errors = [row["frechet_se"] for row in rows]
    shares = [
        {"name": f"{name} ({meaning})", "y": [row.get(name) for row in rows]}
        for name, meaning in SHARES.items()
        if any(name in row for row in rows)
    ]
    return [
        {
            "title": "Fréchet distance: lower is better",
            "x": x,
            "xLabel": "epoch",
            "log": True,
            "series": [
                {"name": "Fréchet distance, and its error", "y": distances, "errors": errors}
            ],
            "level": {"name": "real test images", "y": floor["frechet"]},
        },
        {
            "title": "Shares: higher is better",
            "x": x,
            "xLabel": "epoch",
            "low": 0,
            "high": 1,
            "series": shares,
        },
    ]


def read_loss_chart(path):
    """Return the chart of a run's losses.csv in a list, or an empty one where there is none."""
    try:
        return [web.loss_chart(*web.read_losses(path))]
    except (OSError, ValueError):
        return []


def save_page(path, results, facts, charts, command):
    """Write report.html, of the template beside this file; `results` come best first."""
    rows = [result.row for result in results]
    details = []
    for result in results:
        urls = {name: as_url(as_png(result.details[name])) for name in ("grid", "neighbours")}
        details.append(result.details | urls)
    content = {
        "answer": ranking.answer(rows, facts["floor"]),
        "command": command,
        "facts": facts,
        "rows": rows,
        "details": details,
        "charts": charts,
    }
    web.save(path, Path(__file__).with_name("report.html"), content)


def save_report(folder, results, facts, losses, command):
    """Write scores.csv, scores.png, timeline.gif, report.html and best.json into a folder.

    `results` have row and details of each file, best first, `facts` what best.json holds; `losses`
    is the path of a losses.csv, shown if it exists, and `command` samples the best file.
    """
    ranked = [result.row for result in results]
    save_scores(folder / "scores.csv", ranked)
    ordered = sorted(results, key=lambda result: epoch_order(result.row))
    rows = [result.row for result in ordered]
    save_curves(folder / "scores.png", rows, facts["floor"])
    save_film(folder / "timeline.gif", rows, [result.details for result in ordered])
    charts = score_charts(rows, facts["floor"]) + read_loss_chart(losses)
    save_page(folder / "report.html", results, facts, charts, command)
    (folder / "best.json").write_text(json.dumps(facts, indent=1))
