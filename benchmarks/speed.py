"""Time each script's training step against what its user would otherwise run.

    python benchmarks/speed.py                         all, about an hour on two CPU cores
    python benchmarks/speed.py --scripts mnist_gan     this one; the others' results stay
    python benchmarks/speed.py --against FOLDER        the step of another checkout and this one's

On the same machine, in the same run, a batch of the script's default size is trained by
    tutorial    the tutorial's loop (tutorial_loops.py), in float32
    this        the script's own step, in float32 and in bfloat16; on a GPU without XLA, too
    pytorch     the same networks and updates (pytorch_peers.py), in both precisions, in every form
                that PyTorch has: channels-last, torch.compile; on a GPU CUDA graphs, too
Each is a process of its own, so that its peak memory is its own. They take turns: a round times
every one of them for about a second, and the multiplication of two 4096x4096 matrices, by the
faster of TensorFlow and PyTorch, as the machine's peak. Of PyTorch's forms the best one of a first
round stays in. Compilation, in the first call, is timed apart, as first_call_s; on a GPU, which
comes with many cores, all of a script's processes compile at once, and it says little.

A ratio is the median over the rounds of the ratio within a round: these machines are shared, and
two figures of one round share the moment. FLOP are those of the layers' products, counted from the
models; Adam, activations, Dropout and normalisation are not in them. An epoch is one of 60,000
images (in colour: 50,000).

Writes results/speed.csv and results/speed.png. --against prints its figures and writes nothing:
for each script the median of this checkout's seconds a batch over the other's in the same round.
"""

import argparse
import contextlib
import json
import math
import os
import resource
import shlex
import subprocess
import sys
import textwrap
import time

import common
import numpy as np

PRECISIONS = ("float32", "bfloat16")
FORMS = {  # of PyTorch: the arguments of make_peer
    "eager": {},
    "channels-last": {"channels_last": True},
    "compile": {"compiled": True},
    "compile channels-last": {"compiled": True, "channels_last": True},
}
GPU_FORMS = {"CUDA graph": {"graphed": True, "channels_last": True}}
WITHOUT_XLA = "without XLA"
EPOCH = {"cifar10_gan": 50_000, "colour_gan": 50_000, "faces_gan": 50_000}  # images
PEAK_SIZE = 4096


# ---- what is timed: functions run(n) that train n batches and wait for them ---------------------


def tutorial(name, precision):
    import tutorial_loops

    batch = tutorial_loops.make_loop(*common.build(name))

    def run(n):
        for _ in range(n):
            batch()  # train_on_batch returns losses, so it has waited

    return run


def this(name, precision, form="", root=common.ROOT):
    if form == WITHOUT_XLA:
        common.load(name, root).XLA = False
    return common.make_run(name, "--precision", precision, root=root)


def pytorch(name, precision, form):
    import pytorch_peers
    import torch

    _, given = common.build(name)
    images, labels = common.images_and_labels(given["dataset"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options = {"device": device, "precision": precision, **(FORMS | GPU_FORMS)[form]}
    learned = [weight for weight in given["gan_model"].weights if "moving_" not in weight.path]
    options["n_weights"] = sum(math.prod(weight.shape) for weight in learned)
    batch = pytorch_peers.make_peer(name, images, labels, given["n_batch"], **options)

    def run(n):
        for _ in range(n):
            losses = batch()
        losses.cpu()  # waits for the device

    return run


def peak(framework, precision):
    """Multiply n pairs of matrices."""
    if framework == "tensorflow":
        import tensorflow as tf

        a, b = tf.cast(tf.random.normal((2, PEAK_SIZE, PEAK_SIZE)), precision)
        multiply = tf.function(tf.matmul)
    else:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        a, b = torch.randn(2, PEAK_SIZE, PEAK_SIZE, dtype=getattr(torch, precision), device=device)
        multiply = torch.matmul

    def run(n):
        for _ in range(n):
            product = multiply(a, b)
        if framework == "tensorflow":
            product.numpy()  # waits for the device
        else:
            product.float().cpu()

    return run


def work(what, *arguments):
    """Serve as a process that times `what`: for a line n on stdin, seconds for n batches."""
    with contextlib.redirect_stdout(sys.stderr):  # what the scripts print is no answer
        make = {"tutorial": tutorial, "this": this, "pytorch": pytorch, "peak": peak}[what]
        run = make(*arguments)
    start = time.perf_counter()
    run(1)
    print(json.dumps({"first_call_s": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        run(int(line))
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "memory_mib": memory}), flush=True)


class Worker:
    """A process that times one thing; `times` are seconds a batch, one a round."""

    def __init__(self, what, *arguments):
        self.what = what
        self.arguments = arguments
        self.times = []
        self.dropped = False

    def start(self):
        command = [sys.executable, __file__, "--work", self.what, *self.arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        # or a TensorFlow that no script of ours has set up would claim a whole GPU
        environment = os.environ | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)

    def wait_for_first_call(self):
        self.first_call_s = self.read()["first_call_s"]
        self.ask(1)  # the second call can still allocate
        self.n = max(1, round(1 / self.ask(1)))  # batches a round, about a second's worth
        if self.n > 1:
            self.ask(self.n)  # XLA compiles an older checkout's loop anew for each number

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"this failed: python {shlex.join(self.process.args[1:])}")
        return json.loads(line)

    def ask(self, n):
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        answer = self.read()
        self.memory_mib = answer["memory_mib"]
        return answer["seconds"] / n

    def time_round(self):
        self.times.append(self.ask(self.n))

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


# ---- floating-point operations ------------------------------------------------------------------


def count_flop(model):
    """Count the FLOP of the products in a model's layers, for one image.

    Returns:
        those of a forward pass, and those of them in layers that see the model's input first: in a
        backward pass nothing is owed to an input.
    """
    from keras import layers

    def is_input(tensor):
        source = tensor._keras_history.operation
        if isinstance(source, (layers.Flatten, layers.Reshape)):  # they hand it on
            return is_input(source.input)
        return isinstance(source, layers.InputLayer)

    total = 0
    first = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if weight.path.endswith("kernel")]
        if kernels:
            # it is used once for each pixel: of the larger image, where strides make one smaller
            transposed = isinstance(layer, layers.Conv2DTranspose)
            image = layer.input if transposed else layer.output
            n_pixels = math.prod(image.shape[1:-1])
            flop = 2 * math.prod(kernels[0].shape) * n_pixels
            total += flop
            if is_input(layer.input):
                first += flop
    return total, first


def batch_flop(script, given):
    """Count the FLOP of one batch: fakes for D, D's updates, and G's update through D.

    The arguments are what `common.build` returns.
    """
    name = script.__name__
    n = given["n_batch"]
    fakes = n  # that G draws for D
    seen = 2 * n  # images that D is updated on
    if name in ("mnist_gan", "cifar10_gan", "acgan_mnist", "faces_gan"):  # in halves
        fakes = n / 2
        seen = n
    d_model = given["d_model"]
    if name == "infogan_mnist":
        d_model = given["gan_model"].get_layer("d_and_q")
    g, g_first = count_flop(given["g_model"])
    d, d_first = count_flop(d_model)
    # forwards; then backwards as much for the weights, and as much again for the layer's input
    return fakes * g + seen * (3 * d - d_first) + n * (3 * g - g_first) + n * 2 * d


# ---- the run ------------------------------------------------------------------------------------


def compare(name, rounds):
    """Time everything for one script; return rows for the CSV."""
    peaks = [Worker("peak", f, p) for p in PRECISIONS for f in ("tensorflow", "pytorch")]
    workers = [Worker("tutorial", name, "float32")]
    for precision in PRECISIONS:
        workers += [Worker("this", name, precision, form) for form in find_forms_of_this()]
        workers += [Worker("pytorch", name, precision, form) for form in find_forms(name)]
    start(peaks + workers, at_once=on_gpu())
    for precision in PRECISIONS:
        forms = [w for w in workers if w.what == "pytorch" and w.arguments[1] == precision]
        for form in forms:
            form.time_round()
        for form in sorted(forms, key=lambda form: form.times[0])[1:]:
            form.stop()
            form.dropped = True
    running = [worker for worker in peaks + workers if not worker.dropped]
    for worker in running:
        worker.times.clear()
    for _ in range(rounds):
        for worker in running:
            worker.time_round()
    for worker in running:
        worker.stop()
    return make_rows(name, workers, peaks)


def start(workers, at_once=False):
    """Start workers, all at once or each after the one before it is ready; wait for them."""
    for worker in workers:
        worker.start()
        if not at_once:
            worker.wait_for_first_call()
    if at_once:
        for worker in workers:
            worker.wait_for_first_call()


def on_gpu():
    """Return whether PyTorch has a GPU to run on."""
    import torch

    return torch.cuda.is_available()


def find_forms_of_this():
    """Return the names of the forms in which this project's step is timed here."""
    return ["", WITHOUT_XLA] if on_gpu() else [""]


def find_forms(name):
    """Return the names of PyTorch's forms that make a difference here."""
    forms = list(FORMS)
    if on_gpu():
        forms += GPU_FORMS
    if name in ("cgan_mnist", "ebgan_mnist", "mlp_gan", "colour_gan"):  # they have no convolutions
        forms = [form for form in forms if not form.endswith("channels-last")]
    return forms


def make_rows(name, workers, peaks):
    """Return a row of results for each worker; what was dropped has no share and no ratio."""
    script, given = common.build(name)
    n_batch = given["n_batch"]
    flop = batch_flop(script, given)
    tutorial_times = np.array(workers[0].times)  # the first worker is the tutorial's loop
    rows = []
    for worker in workers:
        _, precision, *form = worker.arguments  # a form of PyTorch
        times = np.array(worker.times)
        seconds = np.median(times)
        peak_s = np.min([p.times for p in peaks if p.arguments[1] == precision], axis=0)
        peak_gflops = 2 * PEAK_SIZE**3 / peak_s / 1e9
        share = ""
        ratio = ""
        if not worker.dropped:
            share = round(np.median(flop / times / 1e9 / peak_gflops), 3)
            ratio = round(np.median(tutorial_times / times), 2)
        rows.append(
            {
                "script": name,
                "what": worker.what,
                "form": "".join(form),
                "precision": precision,
                "rounds": len(times),
                "first_call_s": round(worker.first_call_s, 1),
                "batch_ms": round(1e3 * seconds, 2),
                "batch_ms_min": round(1e3 * times.min(), 2),
                "images_per_s": round(n_batch / seconds),
                "epoch_s": round(EPOCH.get(name, 60_000) // n_batch * seconds, 1),
                "gflop_per_batch": round(flop / 1e9, 2),
                "gflop_per_s": round(flop / seconds / 1e9, 1),
                "peak_gflop_per_s": round(np.median(peak_gflops), 1),
                "share_of_peak": share,
                "times_the_tutorial": ratio,
                "memory_mib": round(worker.memory_mib),
            }
        )
    return rows


def compare_checkouts(name, folder, rounds):
    """Time the step of a script in another checkout and in this one; print how they compare."""
    old = Worker("this", name, "float32", "", folder)
    new = Worker("this", name, "float32")
    turns = [old, new]
    start(turns)
    for _ in range(rounds):
        for worker in turns:
            worker.time_round()
        turns.reverse()
    ratios = np.array(new.times) / old.times
    print(f"{name}: new/old {np.median(ratios):.3f} ({ratios.min():.3f} to {ratios.max():.3f})")
    for what, worker in (("old", old), ("new", new)):
        worker.stop()
        figures = f"{1e3 * np.median(worker.times):.1f} ms a batch, {worker.memory_mib:.0f} MiB"
        print(f"  {what}: {figures}, first call {worker.first_call_s:.1f} s", flush=True)


def draw(rows, path, note):
    """Draw the speed over the tutorial's loop, and the share of the machine's peak."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = [(what, p) for p in PRECISIONS for what in ("this", "pytorch")]
    colors = {("this", "float32"): "C0", ("this", "bfloat16"): "#9ecae1"}
    colors |= {("pytorch", "float32"): "C1", ("pytorch", "bfloat16"): "#fdd0a2"}
    labels = {"this": "this project", "pytorch": "PyTorch"}
    names = list(dict.fromkeys(row["script"] for row in rows))
    figure, axes = plt.subplots(1, 2, figsize=(11, 1.5 + 0.75 * len(names)), layout="constrained")
    for axis, key in zip(axes, ("times_the_tutorial", "share_of_peak"), strict=True):
        for k, kind in enumerate(kinds):
            what, precision = kind
            of_kind = [row for row in rows if (row["what"], row["precision"]) == kind]
            of_kind = [row for row in of_kind if row["form"] != WITHOUT_XLA]
            kept = {row["script"]: float(row[key]) for row in of_kind if row[key] != ""}
            widths = [kept[name] for name in names]
            places = np.arange(len(names)) + 0.2 * k
            label = f"{labels[what]}, {precision}"
            bars = axis.barh(places, widths, 0.2, label=label, color=colors[kind])
            axis.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
        axis.set_yticks(np.arange(len(names)) + 0.3, names)
        axis.invert_yaxis()
    axes[0].set(xscale="log", xticks=(1, 2, 4, 8), xticklabels=("1", "2", "4", "8"))
    axes[0].minorticks_off()
    for axis in axes:
        axis.margins(x=0.1)  # room for the figures at the bars
    axes[0].axvline(1, color="black", linewidth=0.8)
    axes[0].set_xlabel("times as fast as the tutorial's loop (float32)")
    axes[1].set_xlabel("share of the matrix products' peak in that precision")
    axes[1].legend(fontsize=8)
    figure.suptitle(textwrap.fill(note, 110), fontsize=8)
    figure.savefig(path, dpi=100)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scripts", nargs="+", choices=common.SCRIPTS, default=common.SCRIPTS)
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--against", metavar="FOLDER", help="compare with the steps of a checkout")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)  # what a Worker starts
    args = parser.parse_args(argv)
    if args.work:
        return work(*args.work)
    if args.against:
        for name in args.scripts:
            compare_checkouts(name, args.against, args.rounds)
        return
    import torch

    command = f"python benchmarks/speed.py --rounds {args.rounds}"
    note = f"{command}; {common.describe_machine()}, PyTorch {torch.__version__}"
    if torch.cuda.is_available():
        note += f", {torch.cuda.get_device_name()}"
    results = {}
    for row in common.read_results("speed"):
        results.setdefault(row["script"], []).append(row)
    for name in args.scripts:
        results[name] = compare(name, args.rounds)
        for row in results[name]:
            print(*row.values(), flush=True)
        # after each script, so that what is there stays if the next one is stopped
        rows = [row for name in common.SCRIPTS for row in results.get(name, [])]
        common.write_results("speed", rows, note)
    draw(rows, common.RESULTS / "speed.png", note)


if __name__ == "__main__":
    main()
