"""What the pages about runs share: style and charts (web.css, web.js), and how a page is filled."""

import json
from pathlib import Path

import numpy as np

from sampling.program import replacing

HERE = Path(__file__).parent
POINTS = 300  # of each line in the chart of the losses: what a screen can show


def fill(template, content):
    """Return the page that the file `template` makes of `content`, which JSON can express.

    `template` says {{style}}, {{shared}} and {{content}}. Texts in the content cannot end the
    script that holds them; the pages show them as text.
    """
    parts = {
        "{{style}}": (HERE / "web.css").read_text(encoding="utf-8"),
        "{{shared}}": (HERE / "web.js").read_text(encoding="utf-8"),
        "{{content}}": json.dumps(content, allow_nan=False).replace("<", "\\u003c"),
    }
    page = template.read_text(encoding="utf-8")
    for name, text in parts.items():  # the content comes last: what it says is not replaced
        page = page.replace(name, text)
    return page


def save(path, template, content):
    """Write a page, as `fill` returns it, in one stroke: nobody opens half of it."""
    with replacing(path) as part:
        part.write_text(fill(template, content), encoding="utf-8")


def read_losses(path):
    """Return the names of the losses in a run's losses.csv, and its rows, float (n, 2 + losses).

    The first two columns are epoch and batch, counted from 1. A last line that is being written is
    left out. Raises OSError, or ValueError where it is no such file.
    """
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if not whole or whole[0].split(",")[:2] != ["epoch", "batch"]:
        raise ValueError(f"{path} is no losses.csv of a run")
    names = whole[0].strip().split(",")
    rows = [line.split(",") for line in whole[1:]]
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"{path} is damaged: a line has not the {len(names)} columns of the first")
    return names[2:], np.array(rows, dtype=float).reshape(-1, len(names))


def loss_chart(names, rows):
    """Return losses by epoch as web.js draws them: each point is the mean of a piece of the run."""
    n_points = min(len(rows), POINTS)
    pieces = np.array_split(rows, n_points) if n_points else []
    means = np.array([piece.mean(axis=0) for piece in pieces]).reshape(n_points, 2 + len(names))
    batches = rows[:, 1].max(initial=1)  # of an epoch
    x = [float(piece[-1, 0] - 1 + piece[-1, 1] / batches) for piece in pieces]
    series = [{"name": name, "y": finite(means[:, 2 + k].tolist())} for k, name in enumerate(names)]
    return {"title": "Losses", "x": x, "xLabel": "epoch", "series": series}


def finite(numbers):
    """Return numbers with None, which JSON has, for those that are not finite."""
    return [x if np.isfinite(x) else None for x in numbers]
