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

A script knows nothing of several devices. All is done here, by replacing functions of the imported
script, its class Run and its constant XLA, and nothing in other modules; one process trains one
script.
"""

import argparse
import contextlib
import functools
import inspect
import os
import shutil
import signal
import tempfile
from pathlib import Path

from training_scripts import import_script

ARGUMENTS = {  # functions that are replaced, each with an argument that is changed on the way
    "make_train_batch": "n_batch",
    "generate_real_samples": "n_samples",
    "generate_latent_points": "n_samples",
    "summarize_performance": "d_model",
}
NEEDED = ("parse_arguments", "fail", "Run", "XLA", *ARGUMENTS)


def check_script(script):
    """Raise ValueError where an imported script lacks what is replaced or called here."""
    for name in NEEDED:
        if not hasattr(script, name):
            raise ValueError(f"{script.__file__} is no training script: it has no {name}")
    for name, argument in ARGUMENTS.items():
        if argument not in inspect.signature(getattr(script, name)).parameters:
            raise ValueError(f"{script.__file__}: {name} has no argument {argument}")


def join_devices(tf):
    """Return the strategy for the devices of this machine, or for the workers of TF_CONFIG.

    Waits for the other workers. Raises ValueError if TF_CONFIG is not what TensorFlow expects.
    """
    if "TF_CONFIG" not in os.environ:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        cluster = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec().as_dict()
        if not cluster:
            raise ValueError("it names no cluster")
        places = ", ".join(place for job in cluster.values() for place in job)
        print(f"Waiting for all workers of TF_CONFIG: {places}", flush=True)
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would not wake up for it
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        signal.signal(signal.SIGINT, before)
        return strategy
    except (AttributeError, KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        message = f"TF_CONFIG is not what TensorFlow expects ({error}): see distribute.py --help"
        raise ValueError(message) from error


def replace(script, name, function):
    """Let the script call function(original, ...) in the place of its own function `name`."""
    setattr(script, name, functools.partial(function, getattr(script, name)))


def bind(function, args, kwargs):
    """Return the arguments of a call by their names, the defaults among them."""
    call = inspect.signature(function).bind(*args, **kwargs)
    call.apply_defaults()
    return call


def find_layers(model, kind):
    """Return the layers of a kind in a model and in the models within; of anything else none."""
    if isinstance(model, kind):
        return [model]
    found = []
    for part in getattr(model, "layers", []):
        found += find_layers(part, kind)
    return found


@contextlib.contextmanager
def synchronized(norms):
    """Let BatchNormalization look at the whole batch for a while.

    A saved G must not say so: Keras' other backends would refuse it.
    """
    for norm in norms:
        norm.synchronized = True
    try:
        yield
    finally:
        for norm in norms:
            norm.synchronized = False


def share_batches(script, strategy):
    """Let each device train its share of a batch, with the losses of the whole batch."""
    tf = script.tf
    n = strategy.num_replicas_in_sync
    this_device = tf.distribute.get_replica_context  # None outside of a batch

    def make_train_batch(original, *args, **kwargs):
        call = bind(original, args, kwargs)
        call.arguments["n_batch"] //= n
        train_share = original(*call.args, **call.kwargs)
        norms = []
        for value in call.arguments.values():
            norms += find_layers(value, script.keras.layers.BatchNormalization)
        norms = [norm for norm in norms if not norm.synchronized]

        def train_batch(step):
            with synchronized(norms):  # what is compiled is what they say now
                losses = strategy.run(train_share, (step,))
            return strategy.reduce("SUM", losses, None)

        return train_batch

    def draw_share(original, *args, **kwargs):
        if this_device() is None:  # summarize_performance draws its images
            return original(*args, **kwargs)
        call = bind(original, args, kwargs)
        size = call.arguments["n_samples"]
        call.arguments["n_samples"] = n * size  # the whole batch, so that the seed gives the same

        def take_share(batch):  # (n * size, ...) -> (size, ...)
            shares = tf.reshape(batch, (n, size, *batch.shape[1:]))
            return shares[this_device().replica_id_in_sync_group]

        return tf.nest.map_structure(take_share, original(*call.args, **call.kwargs))

    def pulling_away_term(original, codes):  # of all pairs of the whole batch
        codes = this_device().all_gather(tf.cast(codes, tf.float32), 0)
        return original(codes) / n  # the devices' losses are summed

    replace(script, "make_train_batch", make_train_batch)
    replace(script, "generate_real_samples", draw_share)
    replace(script, "generate_latent_points", draw_share)
    if hasattr(script, "pulling_away_term"):
        replace(script, "pulling_away_term", pulling_away_term)
    script.XLA = False


def evaluate_alone(script):
    """Let each worker evaluate D by itself, on one device: with several, Keras' evaluate fails."""

    def evaluate(d_model, x, y, verbose=0):
        d_model.reset_metrics()
        results = d_model.test_step((x, y))
        return [float(result) for result in results.values()]

    def summarize_performance(original, *args, **kwargs):
        call = bind(original, args, kwargs)
        d_model = call.arguments["d_model"]
        d_model.evaluate = functools.partial(evaluate, d_model)
        return original(*call.args, **call.kwargs)

    replace(script, "summarize_performance", summarize_performance)


def keep_together(script, strategy):
    """Let all workers do the same before the same batch: save, if it is time for one of them, and
    stop, if one of them got a signal.

    A signal is noted. Before each call of the compiled loop the workers tell each other, once, what
    they have noted and what their clocks say. A second Ctrl-C ends its worker at once.
    """
    tf = script.tf

    @tf.function
    def add_up(numbers):
        return strategy.reduce("SUM", strategy.run(tf.identity, (numbers,)), None)

    class SharedRun(script.Run):
        """A run of several workers. Its attributes `stopped` and `due` are theirs in common."""

        def __init__(self, settings=None):
            super().__init__(settings)
            self.signalled = False  # this worker; the others do not know yet
            self.due = False

        def save_or_stop(self, i):
            mine = tf.cast([self.signalled, super().is_due()], tf.float32)
            stop, due = add_up(mine).numpy()
            self.stopped = stop > 0
            self.due = stop + due > 0
            super().save_or_stop(i)

        def is_due(self):
            return self.due

        def note_signal(self, number, frame):
            self.signalled = True
            signal.signal(number, signal.SIG_DFL)

    script.Run = SharedRun


def is_first(strategy):
    """Say whether this worker is the one that prints and writes."""
    me = strategy.cluster_resolver
    leader = "chief" if "chief" in me.cluster_spec().jobs else "worker"
    return me.task_type == leader and me.task_id == 0


def work_elsewhere(settings, folder):
    """Let a run leave its files, and find those that it goes on with, in a temporary folder."""
    if settings.out.is_relative_to(folder):  # a run of a comparison, which is there already
        return
    if settings.resume or getattr(settings, "compare_optimizers", False):
        if settings.out.exists():
            shutil.copytree(settings.out, folder, dirs_exist_ok=True)
    settings.out = folder


def check_flags(script, n, folder=None):
    """Let a script refuse a batch that n devices cannot share, and leave its files in `folder`."""

    def parse_arguments(original, argv):
        settings = original(argv)
        n_batch = settings.batch_size
        if n_batch % (2 * n) > 0:
            script.fail(f"{n} devices need a --batch-size that is a multiple of {2 * n}")
        print(f"{n} devices train {n_batch // n} images of a batch each", flush=True)
        if folder is not None:
            work_elsewhere(settings, folder)
        return settings

    replace(script, "parse_arguments", parse_arguments)


def main(argv=None):
    """Run the command line `argv` (default: sys.argv); mistakes end in one line and status 2."""
    layout = {"formatter_class": argparse.RawDescriptionHelpFormatter, "usage": argparse.SUPPRESS}
    parser = argparse.ArgumentParser("distribute.py", description=__doc__, **layout)
    parser.add_argument("script", type=Path, help="a training script")
    parser.add_argument("flags", nargs=argparse.REMAINDER, help="flags of the script")
    args = parser.parse_args(argv)
    try:
        script = import_script(args.script)
        check_script(script)
        strategy = join_devices(script.tf)
    except ValueError as error:
        parser.error(" ".join(str(error).split()))
    n = strategy.num_replicas_in_sync
    if n == 1:
        print("There is one device here: training as without distribute.py")
        script.main(args.flags)
        return
    share_batches(script, strategy)
    evaluate_alone(script)
    writes = True
    if "TF_CONFIG" in os.environ:
        keep_together(script, strategy)
        writes = is_first(strategy)
    with strategy.scope():
        if writes:
            check_flags(script, n)
            script.main(args.flags)
            return
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
            check_flags(script, n, Path(folder))
            with contextlib.redirect_stdout(nowhere):
                script.main(args.flags)


if __name__ == "__main__":
    main()
