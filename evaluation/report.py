"""What an evaluation leaves behind: tables, curves, the film of the grids, and the page."""

import csv
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from generator_files import plain
from sheets import as_png, as_url, save_animation

SHOWN = ("frechet", "kernel", "precision", "recall", "coverage", "missing", "agreement")


def print_table(rows, floor):
    """Print the scores that fit into a terminal, best first, and those of real test images."""
    shown = [name for name in SHOWN if any(name in row for row in rows)]
    width = max(len(plain(row["file"])) for row in rows) + 6
    print(" " * width + "".join(f"{name:>10}" for name in shown))
    for row in [*rows, {**floor, "rank": "", "file": "test images"}]:
        cells = [f"{row[name]:10.3g}" if name in row else " " * 10 for name in shown]
        print(f"{row['rank']:<4}{plain(row['file'])}".ljust(width) + "".join(cells))


def save_scores(path, rows):
    """Write scores.csv: a row a file, by name; a cell is empty where a figure cannot be had."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, dict.fromkeys(key for row in rows for key in row))
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["file"]))


def save_curves(path, rows, floor):
    """Draw the Fréchet distance, its standard error and the floor, and shares, over the epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    x = [str(row["epoch"]) for row in rows]
    distances, errors = ([row[key] for row in rows] for key in ("frechet", "frechet_se"))
    axes[0].errorbar(x, distances, errors, marker="o", capsize=3)
    axes[0].axhline(floor["frechet"], linestyle=":", color="grey", label="test images")
    known = set().union(*rows)
    for key in [key for key in ("precision", "recall", "coverage", "agreement") if key in known]:
        axes[1].plot(x, [row.get(key, np.nan) for row in rows], marker=".", label=key)
    axes[0].set(title="Fréchet distance, lower is better", yscale="log", xlabel="epoch")
    axes[1].set(title="shares, higher is better", ylim=(0, 1.05), xlabel="epoch")
    for part in axes:
        part.legend(fontsize=8)
    figure.savefig(path)
    plt.close(figure)


def save_report(folder, results, facts, losses):
    """Write scores.csv, scores.png, timeline.gif and report.html into a folder.

    `results` are (path, row, details) of each file, best first, `facts` what best.json holds, and
    `losses` a picture that is shown, too, if it exists. The page is the template beside this file:
    texts go into it as JSON that cannot end the script, and it shows them as text.
    """
    rows, by_epoch = [result[1] for result in results], sorted(results, key=lambda r: r[1]["epoch"])
    save_scores(folder / "scores.csv", rows)
    save_curves(folder / "scores.png", [row for _, row, _ in by_epoch], facts["floor"])
    frames = [(details["grid"], f"epoch {row['epoch']}") for _, row, details in by_epoch]
    save_animation(folder / "timeline.gif", frames, duration=600)
    details = [d | {k: as_url(as_png(d[k])) for k in ("grid", "neighbours")} for _, _, d in results]
    curves = [as_url(x.read_bytes()) for x in (folder / "scores.png", losses) if x.exists()]
    content = {"facts": facts, "rows": rows, "curves": curves, "details": details}
    template = Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    text = json.dumps(content).replace("<", "\\u003c")
    (folder / "report.html").write_text(template.replace("{{content}}", text), encoding="utf-8")
