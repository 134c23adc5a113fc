"""tools/distribute.py: several devices and workers, against the same training on one device."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import distribute
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from helpers import DIGITS, PATHS, SCRIPTS, data_of, losses_of, without_start
from stages import import_script

# one of each way to train: the three left out differ from these in their networks alone
TRAINED = [s for s in SCRIPTS if s not in ("cifar10_gan", "colour_gan", "infogan_labelled")]
TWO_BATCHES = "--batch-size 16 --epochs 1 --steps-per-epoch 2".split()
# a process with so many devices, which runs one command after the other: TensorFlow starts once
TRAIN = """
import functools, json, sys
from pathlib import Path
import distribute, keras, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
tf.config.set_logical_device_configuration(cpu, devices)
import_script = distribute.import_script
call_layer = keras.Layer.__call__
sizes = {}

def import_plain(path):
    script = import_script(path)
    script.XLA = False  # with it, one device alone would draw other numbers
    script.layers.Dropout = lambda rate: script.layers.Activation("linear")  # a mask a device
    return script

def call_and_note(layer, *args, **kwargs):
    if isinstance(layer, keras.Model) and kwargs.get("training"):
        sizes[name].add(tf.nest.flatten(args)[0].shape[0])
    return call_layer(layer, *args, **kwargs)

distribute.import_script = import_plain
keras.Layer.__call__ = call_and_note
distribute.join_devices = functools.cache(distribute.join_devices)
for path, *flags in json.loads(sys.argv[2]):
    name = Path(path).stem
    sizes[name] = set()
    try:
        distribute.main([path, *flags])
    except SystemExit as end:
        sizes[name] = {end.code}
Path("sizes.json").write_text(json.dumps({name: sorted(sizes[name] - {None}) for name in sizes}))
"""
# BatchNormalization works out its variance in another way for several devices, and Adam makes the
# rounding of gradients that are nearly 0 into whole steps
ROUNDING = {"acgan_mnist": 2e-3, "infogan_mnist": 1e-2, "mlp_gan": 1e-4}


def train_with(n_devices, folder, *commands):
    """Start a process that runs distribute.py with each of the commands, in a folder."""
    commands = json.dumps([[*map(str, command)] for command in commands])
    env = dict(os.environ, PYTHONPATH=str(ROOT / "tools"))
    with open(folder / "stdout", "w") as stdout, open(folder / "stderr", "w") as stderr:
        command = [sys.executable, "-c", TRAIN, str(n_devices), commands]
        return subprocess.Popen(command, cwd=folder, env=env, stdout=stdout, stderr=stderr)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train each script for two batches on one and on two devices; return the two folders."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    commands = [[PATHS[s], "--data", data_of(s), "--out", s, *TWO_BATCHES] for s in TRAINED]
    processes = [train_with(n, folder, *commands) for n, folder in enumerate(folders, 1)]
    for process, folder in zip(processes, folders, strict=True):
        assert process.wait() == 0, (folder / "stderr").read_text()
    return folders


@pytest.mark.parametrize("name", TRAINED)
def test_two_devices_train_as_one(name, runs):
    one, two = (np.array(losses_of(folder / name).tolist()) for folder in runs)
    assert one.shape[0] == 2
    np.testing.assert_allclose(two, one, rtol=ROUNDING.get(name, 2e-5), atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_each_device_trains_half_of_a_batch(name, runs):
    one, two = (json.loads((folder / "sizes.json").read_text())[name] for folder in runs)
    assert 16 in one and two == [size // 2 for size in one]


@pytest.mark.parametrize("name", TRAINED)
def test_files_do_not_tell_how_many_devices_trained(name, runs):
    one, two = (folder / name for folder in runs)
    assert (one / "settings.json").read_text() == (two / "settings.json").read_text()
    models = [h5py.File(folder / "generator_model_001.h5") for folder in (one, two)]
    assert models[0].attrs["model_config"] == models[1].attrs["model_config"]
    assert models[0].attrs["gan"] == models[1].attrs["gan"]


def test_the_first_lines_say_how_many_devices_train(runs):
    one, two = ((folder / "stdout").read_text() for folder in runs)
    assert one.startswith("There is one device here")
    assert two.splitlines()[1] == "2 devices train 8 images of a batch each"


@contextlib.contextmanager
def two_workers(folder, *flags, script=PATHS["cgan_mnist"]):
    """Train with two workers, each in a folder of its own; yield the two processes."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    command = [ROOT / "tools/distribute.py", script, "--data", DIGITS, *flags]
    workers = []
    for i in range(2):
        own = folder / f"worker_{i}"
        own.mkdir(exist_ok=True)
        task = {"cluster": cluster, "task": {"type": "worker", "index": i}}
        env = dict(os.environ, TF_CONFIG=json.dumps(task))
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        workers.append(
            subprocess.Popen([sys.executable, *map(str, command)], cwd=own, env=env, **streams)
        )
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()


def test_two_workers_train_as_one_and_the_first_alone_writes(tmp_path, runs):
    with two_workers(tmp_path, "--out", "run", *TWO_BATCHES) as workers:
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outs
    assert [without_start(err) for _, err in outs] == ["", ""]
    assert "\n>1, 2/2, d=" in outs[0][0] and outs[1][0] == ""
    accuracy = outs[0][0].splitlines()[-1]
    assert accuracy.startswith(">Accuracy real: ")
    assert accuracy in (runs[0] / "stdout").read_text().splitlines()
    run = tmp_path / "worker_0/run"
    one, two = (np.array(losses_of(folder).tolist()) for folder in (runs[0] / "cgan_mnist", run))
    np.testing.assert_allclose(two, one, rtol=2e-5)
    assert (run / "generator_model_001.h5").exists() and (run / "settings.json").exists()
    assert not list((tmp_path / "worker_1").iterdir())


def test_a_signal_at_one_worker_stops_both_and_resume_goes_on(tmp_path):
    # the second's clock is fast: if each went by its own, they would save at different batches
    script = tmp_path / "mlp_gan.py"
    head = "import time\n"
    fast = "t = time.monotonic\nif 'index\": 1' in os.environ['TF_CONFIG']:\n"
    fast += "    time.monotonic = lambda: 200 * t()\n"
    text = PATHS["mlp_gan"].read_text()
    assert text.count(head) == 1
    script.write_text(text.replace(head, head + fast))
    flags = ["--batch-size", 16, "--out", tmp_path / "run", "--epochs"]
    before = []
    for epochs, index, number in ((50, 1, signal.SIGINT), (60, 0, signal.SIGTERM)):
        with two_workers(
            tmp_path, *flags, epochs, *(["--resume"] if before else []), script=script
        ) as workers:
            lines = iter(workers[0].stdout.readline, "")
            first = next(line for line in lines if line.startswith(">"))
            workers[index].send_signal(number)
            outs = [worker.communicate(timeout=100) for worker in workers]
        assert [worker.returncode for worker in workers] == [130, 130], outs
        assert "Stopped in epoch" in outs[0][0] and outs[1][0] == ""
        epoch, batch = first[1:].split("/")[0].split(",")
        assert 0 <= 343 * (int(epoch) - 1) + int(batch) - len(before) <= 50  # batches a call
        rows = losses_of(tmp_path / "run").tolist()
        assert rows[: len(before)] == before
        before = rows


@pytest.fixture
def handlers():
    """Put the handlers of signals back afterwards."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Saves:
    """Stands in for a run's checkpoints."""

    def __init__(self):
        self.steps = []

    def save(self, step):
        self.steps.append(step)


@pytest.fixture
def shared_run(handlers):
    """Return a run of workers, of which there is one, that has begun and minds signals."""
    script = import_script(PATHS["mlp_gan"])
    distribute.keep_together(script, tf.distribute.get_strategy())
    run = script.Run()
    run.checkpoints = Saves()
    run.end_on_signals()
    return run


def test_a_signal_waits_for_the_next_pause_and_a_second_one_does_not(shared_run):
    shared_run.save_or_stop(0)
    os.kill(os.getpid(), signal.SIGTERM)  # while a call of the compiled loop trains
    assert not shared_run.stopped and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert shared_run.checkpoints.steps == []
    shared_run.step = 5
    with pytest.raises(SystemExit) as end:
        shared_run.save_or_stop(0)
    assert end.value.code == 130 and shared_run.checkpoints.steps == [5]


def test_a_signal_while_the_workers_talk_waits_for_the_next_pause(shared_run, monkeypatch):
    one_script_alone = type(shared_run).__base__

    def signal_meanwhile(run):
        if not run.signalled:
            os.kill(os.getpid(), signal.SIGINT)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(one_script_alone, "is_due", signal_meanwhile)
        shared_run.save_or_stop(0)  # the others were told of no signal
    assert not shared_run.stopped and shared_run.checkpoints.steps == []
    with pytest.raises(SystemExit):
        shared_run.save_or_stop(0)


def test_a_worker_evaluates_as_keras_does():
    script = import_script(PATHS["mnist_gan"])
    dataset = script.load_real_samples(DIGITS)
    X, y = script.generate_real_samples(dataset, 100)
    d_model = script.define_discriminator()
    expected = d_model.evaluate(X, y, verbose=0)

    def evaluate_twice(d_model):
        d_model.evaluate(X[:10], 0 * y[:10], verbose=0)  # of which nothing is left
        return d_model.evaluate(X, y, verbose=0)

    script.summarize_performance = evaluate_twice
    distribute.evaluate_alone(script)
    np.testing.assert_allclose(script.summarize_performance(d_model), expected, rtol=1e-6)


def test_checkpoints_are_saved_by_the_clock(shared_run):
    shared_run.saved = time.monotonic() - 61
    shared_run.save_or_stop(0)
    shared_run.save_or_stop(0)
    assert shared_run.checkpoints.steps == [0]


def test_nothing_but_the_script_is_changed():
    script = import_script(PATHS["ebgan_mnist"])
    others = (keras, keras.layers, keras.layers.BatchNormalization, tf, time, signal)
    before = [dict(vars(other)) for other in (*others, script)]
    distribute.share_batches(script, tf.distribute.get_strategy())
    distribute.keep_together(script, tf.distribute.get_strategy())
    distribute.evaluate_alone(script)
    distribute.check_flags(script, 2)
    assert [dict(vars(other)) for other in others] == before[:-1]
    names = {name for name, value in vars(script).items() if before[-1][name] is not value}
    assert names == {*distribute.ARGUMENTS, "pulling_away_term", "parse_arguments", "Run", "XLA"}


@pytest.mark.parametrize(
    "script, config, said",
    [
        ("cgan_mnist.py", '{"cluster": ', "TF_CONFIG is not what TensorFlow expects"),
        ("cgan_mnist.py", "{}", "TF_CONFIG is not what TensorFlow expects"),
        ("cgan_mnist.py", '{"cluster": {"worker": ["10.0.0.1:1"]}}', "TF_CONFIG is not what"),
        ("no_such.py", None, "no_such.py"),
        ("README.md", None, "README.md"),
        ("generate.py", None, "generate.py is no training script"),
    ],
)
def test_mistakes_end_in_one_line(script, config, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if config:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(SystemExit) as end:
        distribute.main([str(ROOT / script), "--epochs", "1"])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("distribute.py: error: ")
    assert said in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("XLA", "COMPILED", "it has no XLA"),
        ("n_samples", "n", "generate_real_samples has no argument n_samples"),
    ],
)
def test_a_script_without_what_is_replaced_is_refused(old, new, said, tmp_path, capsys):
    text = PATHS["cgan_mnist"].read_text().replace(old, new)
    (tmp_path / "my_gan.py").write_text(text)
    with pytest.raises(SystemExit) as end:
        distribute.main([str(tmp_path / "my_gan.py"), "--out", str(tmp_path / "run")])
    error = capsys.readouterr().err
    assert end.value.code == 2 and said in error
    assert error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path):
    flags = ["--out", "run", *TWO_BATCHES, "--batch-size", 18]
    command = [PATHS["cgan_mnist"], "--data", DIGITS, *flags]
    assert train_with(2, tmp_path, command).wait() == 0
    assert json.loads((tmp_path / "sizes.json").read_text()) == {"cgan_mnist": [2]}
    error = (tmp_path / "stderr").read_text().splitlines()[-1]
    assert error.startswith("cgan_mnist.py: error: 2 devices need a --batch-size")
    assert "multiple of 4" in error and not (tmp_path / "run").exists()
