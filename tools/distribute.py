"""Train with any of the training scripts on several GPUs, or on several machines together.

    python tools/distribute.py mnist_gan.py --batch-size 512     all GPUs of this machine

The script's own flags follow its name. For several machines start the same command on each, with
a TF_CONFIG that differs in the index alone: 0 on the first machine, 1 on the second.

    export TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]},
                       "task": {"type": "worker", "index": 0}}'
    python tools/distribute.py mnist_gan.py --batch-size 512

--batch-size is the whole batch, of which each device trains its share. The losses are those of one
device but for rounding, and for D's Dropout: a device draws a mask for its share. Several devices
do without XLA. The first worker alone prints and writes files; for --resume each worker has to see
the run's folder. Ctrl-C at any worker stops all of them before the same batch.

A script knows of several devices only that its compiled loop sums the losses over them. The rest is
done here, by replacing functions of the imported script; one process trains one script.
"""

import argparse
import contextlib
import functools
import inspect
import os
import shutil
import signal
import sys
import tempfile
import time
import types
from pathlib import Path

from stages import import_script

DRAWING = ("generate_real_samples", "generate_latent_points")  # they draw n_samples from a seed
NEEDED = ("parse_arguments", "make_train_step", "compile_batches", *DRAWING)


def replace(script, name, function):
    """Let the script call function(original, ...) for its own function `name`."""
    setattr(script, name, functools.partial(function, getattr(script, name)))


def join_devices(tf):
    """Return the strategy for the devices of this machine, or for the workers of TF_CONFIG.

    Waits for the other workers. Raises ValueError if TF_CONFIG is not what TensorFlow expects.
    """
    if "TF_CONFIG" not in os.environ:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        if not tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().jobs:
            raise ValueError("it names no cluster")
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (AttributeError, KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        message = f"TF_CONFIG is not what TensorFlow expects ({error}): see distribute.py --help"
        raise ValueError(message) from error


def share_batches(script, n):
    """Let each of n devices train its share of a batch, with the losses of the whole batch."""
    tf = script.tf
    this_device = tf.distribute.get_replica_context  # None outside the training step

    def make_train_step(original, *args):
        *others, settings = args
        share = {"batch_size": settings.batch_size // n}
        return original(*others, argparse.Namespace(**vars(settings) | share))

    def draw_share(original, *args, **kwargs):
        if this_device() is None:  # summarize_performance draws its images
            return original(*args, **kwargs)
        call = inspect.signature(original).bind(*args, **kwargs)
        size = call.arguments["n_samples"]
        call.arguments["n_samples"] = n * size  # the whole batch, so that the seed gives the same

        def share(batch):  # (n * size, ...) -> (size, ...)
            shares = tf.reshape(batch, (n, size, *batch.shape[1:]))
            return shares[this_device().replica_id_in_sync_group]

        return tf.nest.map_structure(share, original(*call.args, **call.kwargs))

    def pulling_away_term(original, codes):  # of all pairs of the whole batch
        codes = this_device().all_gather(tf.cast(codes, tf.float32), 0)
        return original(codes) / n  # the devices' losses are summed

    replace(script, "make_train_step", make_train_step)
    for name in DRAWING:
        replace(script, name, draw_share)
    if hasattr(script, "pulling_away_term"):
        replace(script, "pulling_away_term", pulling_away_term)
    # BatchNormalization looks at the whole batch while it trains. A saved G must not say so:
    # Keras' other backends would refuse it.
    script.keras.layers.BatchNormalization.synchronized = property(
        lambda layer: this_device() is not None, lambda layer, value: None
    )


def keep_together(script, strategy):
    """Let all workers do the same at the same batch: stop, if one gets Ctrl-C, and save.

    A signal is noted. After each call of the compiled step the workers tell each other, and all
    call the script's own handlers; a second Ctrl-C ends its worker at once. The clock by which the
    script saves checkpoints is the mean of theirs, because saving takes all of them.
    """
    tf, noted, handlers, clock, began = script.tf, [], {}, [0.0], time.monotonic()

    def note(number, _):
        noted.append(signal.signal(number, signal.SIG_DFL))

    def set_handler(number, handler):
        if callable(handler):
            handlers[number], handler = handler, note
        return signal.signal(number, handler)

    @tf.function
    def average(numbers):
        return strategy.reduce("MEAN", strategy.run(tf.identity, (numbers,)), None)

    def compile_batches(original, train_batch):
        train_step = original(train_batch)

        def train_and_look(step, n):
            losses = train_step(step, n)
            mine = tf.constant([len(noted), time.monotonic() - began], tf.float64)
            stop, clock[0] = average(mine).numpy()
            if stop:
                for number, handler in handlers.items():
                    handler(number, None)
            return losses

        return train_and_look

    replace(script, "compile_batches", compile_batches)
    script.time = types.SimpleNamespace(**vars(time) | {"monotonic": lambda: clock[0]})
    script.signal = types.SimpleNamespace(**vars(signal) | {"signal": set_handler})


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); mistakes end in one line and status 2."""
    layout = {"formatter_class": argparse.RawDescriptionHelpFormatter, "usage": argparse.SUPPRESS}
    parser = argparse.ArgumentParser("distribute.py", description=__doc__, **layout)
    parser.add_argument("script", type=Path, help="a training script")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the script")
    args = parser.parse_args(argv)
    try:
        script = import_script(args.script)
        for name in NEEDED:
            if not hasattr(script, name):
                raise ValueError(f"{args.script} is no training script: no function {name}")
        strategy = join_devices(script.tf)
    except ValueError as error:
        parser.error(" ".join(str(error).split()))
    n, writes = strategy.num_replicas_in_sync, True
    if n == 1:
        print("There is one device here: training as without distribute.py")
        return script.main(args.flags)
    share_batches(script, n)
    if "TF_CONFIG" in os.environ:
        keep_together(script, strategy)
        me = strategy.cluster_resolver
        leader = "chief" if "chief" in me.cluster_spec().jobs else "worker"
        writes = (me.task_type, me.task_id) == (leader, 0)

    def parse_arguments(original, parser, *args, **defaults):
        settings = original(parser, *args, **defaults)
        if settings.batch_size % (2 * n):
            parser.error(f"{n} devices need a --batch-size that is a multiple of {2 * n}")
        print(f"{n} devices train {settings.batch_size // n} images of a batch each")
        if not writes and settings.resume:
            shutil.copytree(settings.out, folder, dirs_exist_ok=True)
        settings.out = settings.out if writes else Path(folder)
        return settings

    replace(script, "parse_arguments", parse_arguments)
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        with strategy.scope(), contextlib.redirect_stdout(sys.stdout if writes else nowhere):
            script.main(args.flags)


if __name__ == "__main__":
    main()
