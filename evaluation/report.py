"""What an evaluation leaves behind: tables, curves, the film of the grids, and the page."""

import base64
import csv
import io
import json
from pathlib import Path

import matplotlib.animation
import matplotlib.image
import matplotlib.pyplot as plt

COLUMNS = ("file", "epoch", "frechet", "frechet_se", "kernel", "kernel_se", "precision", "recall")
COLUMNS += ("density", "coverage", "entropy", "missing", "agreement", "near_copies", "repetition")


def plain(text):
    """Return a text out of a file without control characters, at most 40 characters of it."""
    return "".join(c for c in str(text) if c.isprintable())[:40]


def columns_of(rows):
    """Return the names of all scores of the rows, the usual ones first."""
    return list(dict.fromkeys([*COLUMNS, *(key for row in rows for key in row)]))


def save_scores(path, rows):
    """Write scores.csv: a row a file, in the order of their names; empty where a figure is not had."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns_of(rows))
        writer.writeheader()
        for row in sorted(rows, key=lambda row: row["file"]):
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def save_curves(path, rows, floor):
    """Draw the Fréchet distance, with its standard error and the floor, and shares over epochs."""
    rows = sorted(rows, key=lambda row: (row["epoch"], row["file"]))
    names, x = [str(row["epoch"]) for row in rows], range(len(rows))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    distances, errors = ([row[key] for row in rows] for key in ("frechet", "frechet_se"))
    left.errorbar(x, distances, errors, marker="o", capsize=3, color="tab:blue")
    left.axhline(floor["frechet"], linestyle=":", color="grey", label="real test images")
    left.set(title="Fréchet distance, lower is better", ylim=(0, None))
    for key in ("precision", "recall", "coverage", "agreement"):
        if key in rows[0]:
            right.plot(x, [row[key] for row in rows], marker=".", label=key)
    right.set(title="shares, higher is better", ylim=(0, 1.05))
    for axes in (left, right):
        axes.set_xticks(x, names, rotation=45 if len(names) > 12 else 0)
        axes.set_xlabel("epoch")
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_film(path, grids, titles):
    """Write a GIF of the grids (h, w, c) in [0, 1], the titles above them."""
    height, width = grids[0].shape[:2]
    figure = plt.figure(figsize=(width / 200, height / 200 + 0.3), dpi=100)
    frames, place = [], (0, 0, 1, height / (height + 60))
    axes = figure.add_axes(place)
    axes.set_axis_off()
    for grid, title in zip(grids, titles, strict=True):
        text = figure.text(0.5, 0.985, title, ha="center", va="top")
        frames.append([axes.imshow(grid.squeeze(), cmap="gray_r", vmin=0, vmax=1), text])
    film = matplotlib.animation.ArtistAnimation(figure, frames, interval=600)
    film.save(path, writer="pillow")
    plt.close(figure)


def as_url(picture):
    """Return a data URL of a PNG: the bytes of one, or an image (h, w, c) in [0, 1]."""
    if not isinstance(picture, bytes):
        buffer, grey = io.BytesIO(), picture.shape[2] == 1
        options = {"cmap": "gray_r", "vmin": 0, "vmax": 1} if grey else {}
        picture = picture[..., 0] if grey else picture
        matplotlib.image.imsave(buffer, picture, format="png", **options)
        picture = buffer.getvalue()
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def save_page(path, facts, rows, grids, details, neighbours, curves):
    """Write report.html: the template beside this file, with all that it shows inside.

    `rows` are ranked, best first; `grids`, `details` and `neighbours` are theirs. `curves` are the
    paths of pictures, of which those that exist are shown. Texts go in as JSON in which nothing
    can end the script, and the page puts them in place as text.
    """
    content = {
        "facts": facts,
        "columns": [name for name in columns_of(rows) if any(name in row for row in rows)],
        "rows": rows,
        "grids": [as_url(grid) for grid in grids],
        "details": details,
        "neighbours": [as_url(picture) for picture in neighbours],
        "curves": [as_url(curve.read_bytes()) for curve in curves if curve.exists()],
    }
    text = json.dumps(content).replace("<", "\\u003c")
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    path.write_text(template.replace("{{content}}", text), encoding="utf-8")


def print_table(rows, floor):
    """Print the scores that fit into a terminal, best first, and those of real test images."""
    shown = ["frechet", "kernel", "precision", "recall", "coverage", "missing", "agreement"]
    shown = [name for name in shown if any(name in row for row in rows)]
    width = max(len("real test images"), *(len(plain(row["file"])) for row in rows))
    print(f"{'':4}{'':{width}}" + "".join(f"{name:>12}" for name in shown))
    for row in [*rows, {**floor, "rank": "", "file": "real test images"}]:
        cells = []
        for name in shown:
            digits = {"frechet": 2, "kernel": 4, "missing": 0}.get(name, 3)
            cells.append(f"{row[name]:12.{digits}f}" if name in row else f"{'':12}")
        print(f"{row['rank']:<4}{plain(row['file']):{width}}" + "".join(cells))
