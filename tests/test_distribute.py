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
from training_scripts import import_script

# one of each way to train: those left out differ from these in their networks alone
LEFT_OUT = ("cifar10_gan", "colour_gan", "faces_gan", "infogan_labelled")
TRAINED = [s for s in SCRIPTS if s not in LEFT_OUT]
TWO_BATCHES = "--batch-size 16 --epochs 1 --steps-per-epoch 2".split()
# TensorFlow starts once: a process that has two devices runs the commands of each folder, with one
# device in the first. Eagerly, for compiling takes longer, but what gathers from the devices
TRAIN = """
import contextlib, json, os, sys
from pathlib import Path
import distribute, keras, tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
devices = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, devices)
import_script = distribute.import_script
call_layer = keras.Layer.__call__
strategies = [tf.distribute.MirroredStrategy(["CPU:0"]), distribute.join_devices(tf)]

def import_plain(path):
    script = import_script(path)
    script.XLA = False  # with it, one device alone would draw other numbers
    script.layers.Dropout = lambda rate: script.layers.Activation("linear")  # a mask a device
    tf.config.run_functions_eagerly(not hasattr(script, "pulling_away_term"))
    return script

def call_and_note(layer, *args, **kwargs):
    if isinstance(layer, keras.Model) and kwargs.get("training"):
        sizes[name].add(tf.nest.flatten(args)[0].shape[0])
    return call_layer(layer, *args, **kwargs)

distribute.import_script = import_plain
keras.Layer.__call__ = call_and_note
for (folder, commands), strategy in zip(json.loads(sys.argv[1]).items(), strategies):
    os.chdir(folder)
    distribute.join_devices = lambda tf: strategy
    sizes = {}
    for name, command in commands.items():
        keras.utils.clear_session()  # the names of layers are counted anew
        sizes[name] = set()
        with open("stdout", "a") as stdout, contextlib.redirect_stdout(stdout):
            try:
                distribute.main([*command, "--out", name])
            except SystemExit as end:
                sizes[name] = {end.code}
    found = {name: sorted(sizes[name] - {None}) for name in sizes}
    Path("sizes.json").write_text(json.dumps(found))
"""
# BatchNormalization works out its variance in another way for several devices, and Adam makes the
# rounding of gradients that are nearly 0 into whole steps
ROUNDING = {"acgan_mnist": 2e-3, "infogan_mnist": 1e-2, "mlp_gan": 1e-4}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Train each script for two batches on one and on two devices; return the two folders.

    In the second there is also a batch that two devices cannot share.
    """
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    commands = {s: [str(PATHS[s]), "--data", str(data_of(s)), *TWO_BATCHES] for s in TRAINED}
    odd = {"odd": [*commands["cgan_mnist"], "--batch-size", "18"]}
    commands = {str(folders[0]): commands, str(folders[1]): commands | odd}
    env = dict(os.environ, PYTHONPATH=str(ROOT / "tools"))
    command = [sys.executable, "-c", TRAIN, json.dumps(commands)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folders[1] / "stderr").write_text(done.stderr)
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


def test_two_workers_train_as_one_stop_at_a_signal_and_go_on(tmp_path, runs):
    """As one device does, whose first two batches are known; the first alone writes."""
    # the second's clock is fast: if each went by its own, they would save at different batches
    script = tmp_path / "cgan_mnist.py"
    head = "import time\n"
    fast = "t = time.monotonic\nif 'index\": 1' in os.environ['TF_CONFIG']:\n"
    fast += "    time.monotonic = lambda: 200 * t()\n"
    text = PATHS["cgan_mnist"].read_text()
    assert text.count(head) == 1
    script.write_text(text.replace(head, head + fast))
    run = tmp_path / "run"
    flags = ["--out", run, *TWO_BATCHES, "--snapshot-every", 10**6, "--epochs"]
    with two_workers(tmp_path, *flags, 10**6, script=script) as workers:
        lines = iter(workers[0].stdout.readline, "")
        first = next(line for line in lines if line.startswith(">"))
        accuracy = next(lines)
        workers[1].send_signal(signal.SIGINT)
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [130, 130], outs
    assert [without_start(err) for _, err in outs] == ["", ""]
    assert first.startswith(">1, 2/2, d=") and accuracy.startswith(">Accuracy real: ")
    assert accuracy in (runs[0] / "stdout").read_text()
    assert "Stopped in epoch" in outs[0][0]
    (waiting,) = outs[1][0].splitlines()  # nothing else is said by any but the first
    assert waiting.startswith("Waiting for all workers of TF_CONFIG: 127.0.0.1:")
    before = losses_of(run).tolist()
    np.testing.assert_allclose(before[:2], losses_of(runs[0] / "cgan_mnist").tolist(), rtol=2e-5)

    n_epochs = len(before) // 2 + 3
    with two_workers(tmp_path, *flags, n_epochs, "--resume", script=script) as workers:
        outs = [worker.communicate(timeout=100) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outs
    assert len(outs[1][0].splitlines()) == 1
    rows = losses_of(run).tolist()
    assert rows[: len(before)] == before
    assert [row[:2] for row in rows] == [(k // 2 + 1, k % 2 + 1) for k in range(2 * n_epochs)]
    assert (run / "generator_model_001.h5").exists() and (run / "settings.json").exists()
    assert (run / f"generator_model_{n_epochs:03d}.h5").exists()
    assert not list((tmp_path / "worker_0").iterdir())
    assert not list((tmp_path / "worker_1").iterdir())


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
    with run.end_on_signals():
        yield run


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


def test_a_batch_that_cannot_be_shared_is_refused(runs):
    _, two = runs
    assert json.loads((two / "sizes.json").read_text())["odd"] == [2]
    error = (two / "stderr").read_text().splitlines()[-1]
    assert error.startswith("cgan_mnist.py: error: 2 devices need a --batch-size")
    assert "multiple of 4" in error and not (two / "odd").exists()
