"""Measure how the cost grows: with the batch, with the number of images, and what a start costs.

    python benchmarks/growth.py                    all three, about 15 minutes on two CPU cores
    python benchmarks/growth.py --only startup     one of batch, generate, startup

batch     The compiled training step of each script at batch sizes 16 to 1024, else at its default
          settings, on the images of samples/. Each size has a process of its own. The first
          batch, with compilation, stands apart; then the batches of 0.3 s, at least one, are timed
          N times.
generate  generate.py from the start of the process to its end, for 100 to 100,000 images with
          --npz and up to 10,000 with --images: a generator of convolutions and a dense one, both
          fresh. Counts up to 1,000 are run N times, larger ones once.
startup   Seconds from the start of a process to the end of a script's first batch, of its default
          size; to the picture of generate.py; to its --help. All of them in turn, N times.

N is --repeats. Peak memory is the largest resident set of the process. The figures are written to
growth_*.csv in benchmarks/results, and those that lie there are drawn as growth.png.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
from common import RESULTS, ROOT, SCRIPTS

# This process must stay small while it measures, and imports Keras after that: Linux counts the
# resident set of the parent at the start of a child as the child's.

BATCH_SIZES = [16, 32, 64, 128, 256, 512, 1024]
COUNTS = {"--npz": [100, 1_000, 10_000, 100_000], "--images": [100, 1_000, 10_000]}
GENERATORS = {"mnist_gan": "convolutions", "cgan_mnist": "dense"}
GENERATE = ROOT / "generate.py"


def run(*command):
    """Run Python with these arguments; return seconds, peak memory in MB and the output.

    A program that fails ends this one.
    """
    command = [sys.executable, *map(str, command)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)  # Popen has not seen it
    if process.returncode:
        raise SystemExit(f"growth.py: this failed: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024 / 1e6, output


def one_batch(name, out, *flags):
    """Return the arguments of Python that train a script for one batch, on images of samples/."""
    sample = "objects.npz" if name == "cifar10_gan" else "digits.npz"
    flags = "--epochs", 1, "--steps-per-epoch", 1, *flags
    return common.find(name), "--data", ROOT / "samples" / sample, "--out", out, *flags


def save_generators(folder):
    """Train two scripts for one small batch; return {name: path} of their generators."""
    for name in GENERATORS:
        run(*one_batch(name, folder / name, "--batch-size", 16))
    return {name: folder / name / "generator_model_001.h5" for name in GENERATORS}


def summary(values, unit, digits):
    """Return the median and the minimum of measurements as columns of a CSV."""
    median = round(statistics.median(values), digits)
    return {f"median_{unit}": median, f"min_{unit}": round(min(values), digits)}


def time_step(name, batch_size, repeats):
    """Time the training step of a script in this process; print the figures as JSON."""
    run = common.make_run(name, "--batch-size", str(batch_size))

    def seconds(n):
        start = time.perf_counter()
        run(n)
        return time.perf_counter() - start

    first = seconds(1)
    n = max(1, round(0.3 / seconds(1)))
    ms_per_image = [1000 * seconds(n) / n / batch_size for _ in range(repeats)]
    print(json.dumps([first, ms_per_image]))


def measure_batch(repeats, folder):
    """Yield a row for each script and batch size."""
    for name in SCRIPTS:
        for size in BATCH_SIZES:
            code = "import sys; sys.path.insert(0, 'benchmarks'); import growth; "
            _, peak, output = run("-c", f"{code}growth.time_step({name!r}, {size}, {repeats})")
            first, times = json.loads(output.splitlines()[-1])
            row = {"script": name, "batch_size": size, "first_call_s": round(first, 2)}
            yield row | summary(times, "ms_per_image", 4) | {"peak_mb": round(peak)}


def measure_generate(repeats, folder):
    """Yield a row for each generator, kind of output and number of images."""
    for name, model in save_generators(folder).items():
        for option, counts in COUNTS.items():
            for count in counts:
                runs = []
                n_runs = repeats if count <= 1000 else 1
                for _ in range(n_runs):
                    with tempfile.TemporaryDirectory(dir=folder) as out:
                        out = Path(out)
                        path = out / ("new.npz" if option == "--npz" else "new")
                        options = "--count", count, option, path, "--out", out / "new.png"
                        runs.append(run(GENERATE, model, *options))
                seconds, peaks, _ = zip(*runs, strict=True)
                row = {"generator": name, "option": option, "count": count, "runs": len(runs)}
                yield row | summary(seconds, "s", 2) | {"peak_mb": round(max(peaks))}


def time_first_batch(name):
    """Return the seconds from the start of a training script to the end of its first batch."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, *map(str, one_batch(name, out))]
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            trained = any(line.startswith(">1, 1/") for line in process.stdout)
            seconds = time.perf_counter() - start
            process.kill()  # what follows is a snapshot
    if not trained:
        raise SystemExit(f"growth.py: no batch in the output of {' '.join(command)}")
    return seconds


def measure_startup(repeats, folder):
    """Yield a row for each program."""
    commands = {}
    for name, model in save_generators(folder).items():
        command = GENERATE, model, "--out", folder / "new.png"
        commands[f"generate.py, {GENERATORS[name]}"] = command
    commands["generate.py --help"] = GENERATE, "--help"
    programs = [*[f"{name}.py" for name in SCRIPTS], *commands]
    seconds = {program: [] for program in programs}
    for _ in range(repeats):
        for name in SCRIPTS:
            seconds[f"{name}.py"].append(time_first_batch(name))
        for program, command in commands.items():
            to_the_end, _, _ = run(*command)
            seconds[program].append(to_the_end)
    for program, values in seconds.items():
        yield {"program": program, "runs": repeats} | summary(values, "s", 2)


PARTS = {"batch": measure_batch, "generate": measure_generate, "startup": measure_startup}


def draw_lines(axes, rows, keys, x, y):
    """Draw the column y over x on logarithmic axes, a line for each value of the columns `keys`.

    The legend adds the peak memory at the line's right end.
    """
    lines = {}
    for row in rows:
        lines.setdefault(" ".join(row[key] for key in keys), []).append(row)
    for label, points in lines.items():
        xs = [float(point[x]) for point in points]
        ys = [float(point[y]) for point in points]
        style = "o:" if "--images" in label else "o-"
        peak = points[-1]["peak_mb"]
        axes.plot(xs, ys, style, markersize=3, label=f"{label}\n{peak} MB")
    ticks = sorted({int(row[x]) for row in rows})
    axes.set(xscale="log", yscale="log", xticks=ticks, xticklabels=[f"{tick:,}" for tick in ticks])
    axes.tick_params("x", labelsize=8)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    if lines:
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
        axes.legend(title="peak memory\nat the right end", fontsize=9, title_fontsize=9, **place)


def draw(path):
    """Draw the medians of the tables in benchmarks/results as one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [["batch", "generate"], ["startup", "startup"]]
    figure, axes = plt.subplot_mosaic(
        panels, figsize=(10.5, 7), height_ratios=(3, 2), layout="constrained"
    )
    rows = {part: common.read_results(f"growth_{part}") for part in PARTS}
    draw_lines(axes["batch"], rows["batch"], ["script"], "batch_size", "median_ms_per_image")
    axes["batch"].set(title="Training step", xlabel="batch size", ylabel="ms per image")
    draw_lines(axes["generate"], rows["generate"], ["generator", "option"], "count", "median_s")
    axes["generate"].set(title="generate.py --count", xlabel="images", ylabel="seconds")
    programs = {row["program"]: float(row["median_s"]) for row in reversed(rows["startup"])}
    bars = axes["startup"].barh([*programs], [*programs.values()])
    axes["startup"].bar_label(bars, fmt="%.1f", padding=2)
    axes["startup"].margins(x=0.08)
    axes["startup"].set(title="Start to first batch or picture", xlabel="seconds")
    figure.savefig(path, dpi=100)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="one part; default: all")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    args = parser.parse_args(argv)
    parts = [args.only] if args.only else list(PARTS)
    results = {}
    for part in parts:
        results[part] = []
        with tempfile.TemporaryDirectory() as folder:
            for row in PARTS[part](args.repeats, Path(folder)):
                results[part].append(row)
                print(part, *row.values(), flush=True)
    command = f"python benchmarks/growth.py --repeats {args.repeats}"
    note = f"{command}; {common.describe_machine()}"
    for part, rows in results.items():
        common.write_results(f"growth_{part}", rows, note)
    draw(RESULTS / "growth.png")


if __name__ == "__main__":
    main()
