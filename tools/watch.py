"""Watch runs while they train: grids by epoch, losses, the time left, in a page that renews itself.

    python tools/watch.py runs/mnist_gan --follow                 while the run goes on
    python tools/watch.py runs/mnist_gan runs/cgan_mnist          side by side, as they are now
    python tools/watch.py runs/mnist_gan --out /mnt/shared/watch.html

Written is one file, RUN/watch.html (of several runs watch.html in the current folder). It needs no
server: open it in a browser, here or wherever the folder can be seen. With --follow it is written
anew every few seconds, until each run is complete, has stopped, or has been silent for five
minutes; the open page loads itself anew and keeps its place. The runs are only read.
"""

import argparse
import ast
import csv
import functools
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # here lies a file named tensorboard, as a package is
from evaluation import web
from sampling import files, points, program
from sampling.checks import GeneratorFileError
from sampling.sheets import as_png, as_url

TEMPLATE = Path(__file__).with_name("watch.html")
MARK = '<meta name="generator" content="tools/watch.py">'  # of a page that may be written over
SILENT = 300  # seconds after which a run that writes nothing is taken for stopped
PAUSE = 5  # seconds between two looks of --follow
SETTLED = 1  # seconds without a change after which a picture is whole
CONSTANTS = ("D_LOSSES", "D_HAS_WON", "STRETCH")  # of a script's alarm
SHOWN = ("frechet", "precision", "recall", "coverage", "agreement")  # of the scores

fail = functools.partial(program.fail, "watch.py")


# ---- what a run's files say ----------------------------------------------------------------------


def read_settings(run):
    """Return a run's settings.json, {} while it is not there or empty; raise ValueError."""
    try:
        text = (run / "settings.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    if not text:
        return {}
    try:
        settings = json.loads(text)
        numbers = [settings["epochs"], settings["batch_size"], settings["dataset"]["n_images"]]
    except (ValueError, KeyError, TypeError):
        numbers = [None]
    if any(type(number) is not int or number < 1 for number in numbers):
        raise ValueError(f"{run / 'settings.json'} is damaged, or of no run of these scripts")
    return settings


def batches_per_epoch(settings):
    """Return how many batches an epoch of the run has, as its script counts them."""
    batches = settings["dataset"]["n_images"] // settings["batch_size"]
    if settings.get("steps_per_epoch") is not None:
        batches = min(batches, settings["steps_per_epoch"])
    return max(1, batches)


@functools.cache
def alarm_constants(script):
    """Return the CONSTANTS of a run's script, or None where that is not of this project.

    An exercise's run is of SCRIPT_NAME.py, and has the constants of SCRIPT.py.
    """
    paths = [*ROOT.glob("*.py"), *(ROOT / "variants").glob("*.py")]
    known = [path for path in paths if f"{Path(script).stem}_".startswith(f"{path.stem}_")]
    if not known:
        return None
    path = max(known, key=lambda path: len(path.stem))
    values = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in CONSTANTS:
            values[target.id] = ast.literal_eval(node.value)
    return [values[name] for name in CONSTANTS]


def find_alarm(script, losses):
    """Return the batch, from 1, at which the run's alarm sounded that D has won, or None.

    `losses` (n, columns) are those of the run from its first batch on.
    """
    constants = alarm_constants(script)
    if constants is None:
        return None
    d_columns, d_has_won, stretch = constants
    if len(losses) < stretch:
        return None
    sums = np.concatenate([[0], losses[:, d_columns].mean(axis=1).cumsum()])
    means = (sums[stretch:] - sums[:-stretch]) / stretch
    low = np.flatnonzero(means < d_has_won)
    return int(low[0]) + stretch if len(low) else None


def find_cells(run):
    """Return rows and columns of a run's grids, or None while no snapshot tells them."""
    for path in reversed(files.list_snapshots(run)):
        try:
            about = files.read_description(path)
        except (GeneratorFileError, OSError):
            continue
        layout = points.grid_layout(about) if about else None
        if layout:
            rows, columns = layout["size"]
            return [rows, min(columns, about["classes"] or columns)]
    return None


@functools.lru_cache(maxsize=10_000)
def read_picture(path, mtime):
    """Return a picture of a run as a data URL; a grid, of 2x2 pixels a pixel, without repetition.

    `mtime` is the file's: a picture that has changed is read again.
    """
    with Image.open(path) as file:
        picture = file.convert("RGB")
    pixels = np.asarray(picture)
    if (pixels == pixels[:, :, :1]).all():
        pixels = pixels[:, :, 0]  # grey
    small = pixels[::2, ::2]
    if np.array_equal(small.repeat(2, axis=0).repeat(2, axis=1), pixels):
        pixels = small
    return as_url(as_png(Image.fromarray(pixels)))


def read_grids(run):
    """Return a run's pictures by their kind, "" for the grid itself: [{epoch, url}, ...] each."""
    kinds = {}
    for path in run.glob("generated_plot_e*.png"):
        kind = path.stem.removeprefix("generated_plot_e").partition("_")[2]
        mtime = path.stat().st_mtime
        if time.time() - mtime > SETTLED:
            picture = {"epoch": find_epoch(path), "url": read_picture(path, mtime)}
            kinds.setdefault(kind, []).append(picture)
    for pictures in kinds.values():
        pictures.sort(key=lambda picture: picture["epoch"])
    return kinds


def read_scores(run):
    """Return what evaluate.py wrote: [{file, epoch, frechet, ...}, ...] by epoch; [] if nothing."""
    try:
        with open(run / "scores.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        scores = []
        for row in rows:
            known = {name: float(row[name]) for name in SHOWN if row.get(name)}
            if row["epoch"] and "frechet" in known:
                scores.append({"epoch": int(row["epoch"]), "best": row["rank"] == "1"} | known)
    except (OSError, KeyError, TypeError, ValueError):
        return []
    return sorted(scores, key=lambda row: row["epoch"])


def find_epoch(path):
    """Return the epoch in the name of a grid, generated_plot_e010.png or ..._e010_c1.png."""
    return int(path.stem.removeprefix("generated_plot_e").partition("_")[0])


# ---- how a run stands ----------------------------------------------------------------------------


def state_of_silence(since):
    """Return "running", or "silent" where nothing was written for five minutes."""
    return "silent" if time.time() - since > SILENT else "running"


def find_state(settings, losses, alarm, newest, written):
    """Return "complete", "stopped", "running" or "silent".

    `newest` is the epoch of the newest grid, `written` the time at which losses.csv last grew.
    """
    if newest >= settings["epochs"] and len(losses) >= batches_per_epoch(settings) * newest:
        return "complete"
    if not np.isfinite(losses[-1:]).all():
        return "stopped"
    if alarm is not None and settings.get("on_collapse") == "stop":
        return "stopped"
    return state_of_silence(written)


def count_epochs(settings, n_batches):
    """Return how far a run is, in words."""
    n_epochs = settings["epochs"]
    per_epoch = batches_per_epoch(settings)
    done, within = divmod(n_batches, per_epoch)
    if within:
        return f"epoch {done + 1} of {n_epochs}, batch {within} of {per_epoch}"
    return f"{done} of {n_epochs} epochs done"


class Watched:
    """A run, and what was seen of it at the looks before."""

    def __init__(self, run):
        self.run = run
        self.seen = []  # (time, batches) at each look that found something new
        self.begun = time.time()  # the watch

    def look(self):
        """Return what the page shows of the run; raise OSError or ValueError if it is damaged."""
        settings = read_settings(self.run)
        path = self.run / "losses.csv"
        if not settings or not path.exists():
            state = state_of_silence(self.begun)
            return {"name": str(self.run), "state": state, "says": "the run has not begun"}
        names, rows = web.read_losses(path)
        written = path.stat().st_mtime
        if not self.seen or self.seen[-1][1] != len(rows):
            self.seen.append((written, len(rows)))
        per_epoch = batches_per_epoch(settings)
        alarm = find_alarm(settings["script"], rows[:, 2:])
        grids = read_grids(self.run)
        newest = grids[""][-1]["epoch"] if "" in grids else 0
        state = find_state(settings, rows[:, 2:], alarm, newest, written)
        shown = {
            "name": str(self.run),
            "state": state,
            "says": count_epochs(settings, len(rows)),
            "share": min(1, len(rows) / (per_epoch * settings["epochs"])),
            "script": program.plain(settings["script"]),
            "facts": f"seed {settings.get('seed')}, batches of {settings['batch_size']} "
            f"from {settings['dataset']['n_images']:,} images",
            "alarm": None if alarm is None else (alarm - 1) // per_epoch + 1,
            "finite": bool(np.isfinite(rows).all()),
            "cells": find_cells(self.run),
            "grids": grids,
            "losses": web.loss_chart(names, rows),
            "scores": read_scores(self.run),
        }
        if state == "running":
            shown["left"] = self.seconds_left(per_epoch, settings["epochs"])
        return shown

    def seconds_left(self, per_epoch, n_epochs):
        """Return the seconds to the end of the run, or None while its pace is not known.

        The pace is that of the last looks; at the first look it is that since the last grid.
        """
        now, done = self.seen[-1]
        before, done_before = self.seen[max(0, len(self.seen) - 20)]
        if len(self.seen) == 1:
            grids = {path.stat().st_mtime: path for path in self.run.glob("generated_plot_e*.png")}
            if not grids:
                return None
            before = max(grids)
            done_before = find_epoch(grids[before]) * per_epoch
        if now <= before or done <= done_before:
            return None
        return max(0, per_epoch * n_epochs - done) * (now - before) / (done - done_before)


def look_at_all(watched, follow):
    """Return what the page shows of all runs."""
    shown = []
    for one in watched:
        try:
            shown.append(one.look())
        except (OSError, KeyError, TypeError, ValueError) as error:
            text = str(error) if isinstance(error, ValueError) else f"{one.run} cannot be read"
            shown.append({"name": str(one.run), "state": "stopped", "says": text})
    return {"runs": shown, "follow": follow, "pause": PAUSE, "written": time.time()}


# ---- the command line ----------------------------------------------------------------------------


def parse_args(argv):
    """Read the command line; the user's mistakes end the program with one line and status 2."""
    parser = argparse.ArgumentParser("watch.py", description=__doc__.splitlines()[0])
    parser.error = fail
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="folder of a run")
    out = "write there (default: RUN/watch.html; of several runs watch.html)"
    parser.add_argument("--out", metavar="FILE.html", type=Path, help=out)
    follow = f"look every {PAUSE} s, until all runs have ended"
    parser.add_argument("--follow", action="store_true", help=follow)
    args = parser.parse_args(argv)
    args.runs = list(dict.fromkeys(args.runs))
    if args.out is None:
        args.out = args.runs[0] / "watch.html" if len(args.runs) == 1 else Path("watch.html")
    for run in args.runs:
        if not (run / "losses.csv").is_file() and not args.follow:
            fail(f"{run} is no run: it holds no losses.csv. --follow waits for one to begin")
        if run.exists() and not run.is_dir():
            fail(f"{run} is a file: give the folder of a run")
    if args.out.is_dir():
        fail(f"--out {args.out} is a folder: give the name of a file")
    if not args.out.parent.is_dir() and args.out.parent not in args.runs:
        fail(f"--out {args.out}: {args.out.parent} is no folder, make it first")
    if args.out.exists() and MARK not in args.out.read_text(encoding="utf-8", errors="replace"):
        fail(f"{args.out} is not a page of watch.py: give another --out")
    return args


def main(argv=None):
    """Run the command line `argv` (default: sys.argv)."""
    args = parse_args(argv)
    watched = [Watched(run) for run in args.runs]
    said = False
    while True:
        shown = look_at_all(watched, args.follow)
        going = [run for run in shown["runs"] if run["state"] == "running"]
        shown["follow"] = args.follow and bool(going)
        try:
            if args.out.parent.is_dir():  # a run that has not begun has no folder, and must make it
                web.save(args.out, TEMPLATE, shown)
                if not said:
                    print(f"Open {args.out} in a browser", flush=True)
                said = True
        except OSError as error:
            fail(f"{args.out} cannot be written: {error.strerror}")
        if not shown["follow"]:
            break
        time.sleep(PAUSE)
    for run in shown["runs"]:
        print(f"{program.plain(run['name'])}: {run['state']}, {run['says']}")


if __name__ == "__main__":
    program.run("watch.py", main)
