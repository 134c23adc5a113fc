"""Whole runs of the training scripts: from an empty folder to a picture, stopped and resumed."""

import hashlib
import importlib
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import matplotlib.image
import numpy as np
import pytest
from helpers import (
    DIGITS,
    LABELLED,
    PATHS,
    ROOT,
    SCRIPTS,
    cells,
    data_of,
    description,
    grid_point,
    losses_of,
    refused,
    run,
    shape_of,
    without_start,
)

import generate

SMALL = ["--data", str(DIGITS), "--batch-size", "8", "--steps-per-epoch", "3"]
NUMBER = r"\d+\.\d{3}"
LINES = {  # the tutorials' lines, number by number
    "mnist_gan": r">1, 1/2, d=N, g=N",
    "cifar10_gan": r">1, 1/2, d1=N, d2=N g=N",
    "cgan_mnist": r">1, 2/2, d=N, acc=\d+%, g=N",
    "acgan_mnist": r">1, 1/2, dr\[N,N\], df\[N,N\], g\[N,N\]",
    "infogan_mnist": r">1, 1/2, d\[N,N\], g\[N\], q\[N,N\]",
    "infogan_labelled": r">1, 2/2, d=N, g=N, cf=N, cr=N, con=N",
    "ebgan_mnist": r">1, 2/2, d_real=N, d_fake=N, g=N, pt=N",
    "mlp_gan": r">1, 2/2, d_real=N, d_fake=N, g=N",
    "colour_gan": r">1, 2/2, d_real=N, d_fake=N, g=N",
    "faces_gan": r">1, 1/2, d1=N, d2=N g=N",
}


# ---- from an empty folder to a picture -----------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_run_from_an_empty_folder_ends_in_generate(name, tmp_path):
    """The script alone, in a folder of its own; then generate.py on its snapshot."""
    shutil.copy(PATHS[name], tmp_path)
    flags = "--batch-size 32 --epochs 3 --steps-per-epoch 2 --snapshot-every 3"
    if name == "faces_gan":
        flags += " --size 32"
    done = run(tmp_path, f"{name}.py", "--data", data_of(name), *flags.split())
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"Training on \d+ CPU cores: .* no GPU .*", lines.pop(0))
    assert re.fullmatch(LINES[name].replace("N", NUMBER), lines[0]), lines[0]
    report = (
        ">Energy real: N, fake: N" if name == "ebgan_mnist" else r">Accuracy real: \d+%, fake: .*"
    )
    assert any(re.fullmatch(report.replace("N", NUMBER), line) for line in lines[1:3]), lines

    out = tmp_path / "runs" / name
    rows = losses_of(out)
    batches = [(epoch, batch) for epoch in (1, 2, 3) for batch in (1, 2)]
    assert list(zip(rows["epoch"], rows["batch"], strict=True)) == batches
    line, k = re.match(r">1, (\d)/2, .*?[=\[](\d+\.\d+)", lines[0]), rows.dtype.names[2]
    assert rows[k][int(line[1]) - 1] == pytest.approx(float(line[2]), abs=6e-4)
    snapshots = sorted(path.name for path in out.glob("*.h5"))  # the first epoch has one, too
    assert snapshots == ["generator_model_001.h5", "generator_model_003.h5"]
    files = {path.name for path in out.iterdir()}
    assert {"losses.png", "settings.json", "generated_plot_e001.png", "checkpoint"} <= files
    assert not [file for file in files if file.startswith("part")]

    # the snapshot opens with plain Keras, describes itself, and draws what its grid shows
    script, snapshot = importlib.import_module(name), out / "generator_model_003.h5"
    g_model = keras.models.load_model(snapshot)
    about = description(snapshot)
    with np.load(data_of(name)) as file:
        arrays = [file["x_train"], file["y_train"].astype("int32")][: 1 + (name in LABELLED)]
    digest = hashlib.sha256(b"".join(arrays)).hexdigest()
    data = {"name": data_of(name).name, "n_images": len(arrays[0]), "sha256": digest}
    assert (about["format"], about["script"], about["epoch"]) == (1, f"{name}.py", 3)
    seed = script.DEFAULTS.get("seed", 1)
    assert (about["seed"], about["averaged"], about["data"]) == (seed, False, data)
    assert about["class_names"] == ([str(k) for k in range(10)] if name in LABELLED else [])
    assert about["settings"]["batch_size"] and about["versions"]["keras"] == keras.__version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert about["versions"]["scripts"] == newest
    assert str(tmp_path) not in json.dumps(about)
    passing = {"out", "data", "dataset", "epochs", "resume", "start_from", "on_collapse", "seed"}
    assert about["settings"].keys() == set(vars(script.make_parser().parse_args([]))) - passing
    height, width, channels = shape_of(script)
    grid = cells(out / "generated_plot_e003.png", height, width)
    assert grid.shape[:2] == ((7, 7) if name == "cifar10_gan" else (10, 10))
    image = g_model.predict(grid_point(name, row=3, column=6), verbose=0)[0]
    low, high = about["pixel_range"]
    shown = (image - low) / (high - low)
    shown = shown if channels == 3 else np.repeat(1 - shown, 3, axis=-1)
    np.testing.assert_allclose(grid[3, 6], shown, atol=0.01)
    cell = ["--cell", "4,7", "--out", str(out / "cell.png"), "--npz", str(out / "cell.npz")]
    generate.main([str(snapshot), *cell])  # counted from 1
    with np.load(out / "cell.npz") as drawn:
        np.testing.assert_allclose(drawn["images"][0], (image - low) / (high - low), atol=1e-5)
    before = cells(out / "generated_plot_e001.png", height, width)
    assert np.abs(grid - before).max() > 0.005  # the same points, two epochs on

    generate.main([str(snapshot), "--out", str(out / "a.png"), "--npz", str(out / "a.npz")])
    with np.load(out / "a.npz") as samples:
        images = samples["images"]
        labels = samples["labels"] if "labels" in samples else None
    assert images.dtype == np.float32 and images.shape[1:] == shape_of(script)
    assert 0 <= images.min() and images.max() <= 1 and images.std() > 0
    assert (labels is None) == (name not in (*LABELLED, "infogan_mnist"))
    if labels is not None:
        assert labels.tolist() == list(range(10)) * 10
    assert matplotlib.image.imread(out / "a.png")[..., :3].std() > 0


def test_cgan_learns_to_draw_the_digit_it_is_asked_for(train, tmp_path):
    """Half a minute's training on the shipped digits puts each digit into its column."""
    train("cgan_mnist", "--data", DIGITS, "--epochs", 15, "--out", "run")
    generate.main("run/generator_model_015.h5 --out a.png --npz a.npz --grid 20x10".split())
    with np.load("a.npz") as file:
        images, labels = file["images"], file["labels"]
    with np.load(DIGITS) as file:
        real, real_labels = file["x_train"] / 255, file["y_train"]
        test, test_labels = file["x_test"] / 255, file["y_test"]

    def classify(x):  # by the five nearest real digits
        x = x.reshape(len(x), -1)
        r = real.reshape(len(real), -1)
        distances = (x**2).sum(1)[:, None] - 2 * x @ r.T + (r**2).sum(1)
        votes = real_labels[np.argsort(distances, 1)[:, :5]]
        return np.array([np.bincount(vote).argmax() for vote in votes])

    assert np.mean(classify(test) == test_labels) > 0.95  # the judge is fit to judge
    accuracy = np.mean(classify(images) == labels)
    assert accuracy > 0.8, f"only {accuracy:.0%} of the digits are in their column"
    assert images.reshape(20, 10, -1).std(axis=0).mean() > 0.05  # the rows differ


# ---- stopping and going on -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist_gan", "acgan_mnist"])
def test_a_resumed_run_equals_an_uninterrupted_one(name, train, eagerly, tmp_path):
    """Weights, optimizers, Dropout's random state and the counters all come back."""
    train(name, *SMALL, "--epochs", 2, "--out", "whole")
    train(name, *SMALL, "--epochs", 1, "--out", "parts")
    train(name, "--resume", "--epochs", 2, "--out", "parts")
    for file in ("losses.csv", "generated_plot_e002.png"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    whole, parts = (
        keras.models.load_model(f"{out}/generator_model_002.h5").get_weights()
        for out in ("whole", "parts")
    )
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_run_that_was_prolonged_goes_on_to_the_same_end(train, eagerly, tmp_path, monkeypatch):
    """--resume, which a stopped run names, needs no --epochs again."""
    train("mlp_gan", *SMALL, "--epochs", 1, "--out", "run")
    script = importlib.import_module("mlp_gan")
    with monkeypatch.context() as patch:
        patch.setattr(script.Run, "save_or_stop", lambda run, i: sys.exit(130))
        with pytest.raises(SystemExit):
            train("mlp_gan", "--resume", "--epochs", 3, "--out", "run")
    train("mlp_gan", "--resume", "--out", "run")
    assert losses_of(tmp_path / "run")["epoch"].max() == 3


def stop_a_run(folder, number):
    """Train until a signal comes; return the lines of losses.csv."""
    command = [sys.executable, PATHS["mlp_gan"], "--data", DIGITS, "--out", "run"]
    command = [*map(str, command), *"--batch-size 16 --epochs 2 --steps-per-epoch 60".split()]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith(">1, 20/60"):
            break
    process.send_signal(number)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "Traceback" not in rest
    assert rest.strip().splitlines()[-1].endswith("Go on with: --resume --out run")
    rows = (folder / "run/losses.csv").read_text().splitlines()
    assert 20 < len(rows) < 121
    return rows


def test_sigterm_saves_and_says_how_to_go_on(tmp_path):
    stop_a_run(tmp_path, signal.SIGTERM)


def test_ctrl_c_saves_and_the_run_goes_on(tmp_path):
    rows = stop_a_run(tmp_path, signal.SIGINT)
    done = run(tmp_path, PATHS["mlp_gan"], "--resume", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/losses.csv").read_text().splitlines()[: len(rows)] == rows
    losses = losses_of(tmp_path / "run")
    batches = [(epoch, batch) for epoch in (1, 2) for batch in range(1, 61)]
    assert list(zip(losses["epoch"], losses["batch"], strict=True)) == batches
    assert (tmp_path / "run/generator_model_002.h5").exists()


@pytest.mark.parametrize("name", ["mnist_gan", "infogan_labelled"])
def test_ctrl_c_ends_at_once_while_tensorflow_is_loaded(name, tmp_path):
    """Whenever it comes in the seconds of the imports, it leaves no traceback."""
    for seconds in (0.5, 1, 1.5):
        process = subprocess.Popen(
            [sys.executable, PATHS[name]], cwd=tmp_path, stderr=subprocess.PIPE
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=10)[1]
        assert process.returncode == -signal.SIGINT and b"Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_second_ctrl_c_ends_at_once(tmp_path):
    """The first one waits for the batch that is under way: a long one here."""
    flags = f"--data {DIGITS} --batch-size 4000 --out run".split()
    process = subprocess.Popen(
        [sys.executable, ROOT / "mnist_gan.py", *flags], cwd=tmp_path, stdout=subprocess.PIPE
    )
    while not (tmp_path / "run/losses.csv").exists():
        assert process.poll() is None
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3 if process.poll() is None else 0)
            raise subprocess.TimeoutExpired("ended", 0)
    assert process.wait(timeout=5) == -signal.SIGINT


def test_when_main_has_ended_signals_do_what_they_did_before(eagerly, train):
    """As after `%run` in a notebook, where Ctrl-C stops a cell."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    script = train("mnist_gan", *SMALL, "--epochs", 1)
    assert before == [signal.getsignal(number) for number in script.ENDING]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")
def test_a_full_standard_output_ends_in_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, PATHS["mlp_gan"], *SMALL, "--epochs", "1"]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    (line,) = without_start(done.stderr).splitlines()
    assert done.returncode == 2 and line.startswith("mlp_gan.py: error: ")


@pytest.mark.skipif(os.name == "nt", reason="its shell does not close them so")
def test_a_closed_standard_output_is_none_and_the_run_goes_on(tmp_path):
    command = [sys.executable, PATHS["mlp_gan"], *SMALL, "--epochs", "1", "--out", "run"]
    line = shlex.join(map(str, command)) + " >&-"
    done = subprocess.run(line, shell=True, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, without_start(done.stderr)) == (0, "")
    assert (tmp_path / "run/generator_model_001.h5").exists()


def test_a_damaged_checkpoint_gives_way_to_the_one_before(eagerly, train, tmp_path, capsys):
    """Cut short, emptied, or with a bit turned: the last epoch is trained once more."""
    train("mnist_gan", *SMALL, "--epochs", 2, "--snapshot-every", 1, "--out", "run")
    shutil.copytree("run", "whole")
    rows = (tmp_path / "run/losses.csv").read_text().splitlines()
    for ending, damage in itertools.product((".data*", ".index"), (cut, emptied, bit_turned)):
        shutil.rmtree("run")
        shutil.copytree("whole", "run")
        newest = max((tmp_path / "run/checkpoint").glob(f"*{ending}"), key=lambda path: path.name)
        newest.write_bytes(damage(newest.read_bytes()))
        capsys.readouterr()
        train("mnist_gan", "--resume", "--out", "run")
        assert "damaged" in capsys.readouterr().out, (ending, damage)
        assert (tmp_path / "run/losses.csv").read_text().splitlines() == rows
    for path in (tmp_path / "run/checkpoint").glob("*.data*"):
        path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(SystemExit) as caught:  # and with both damaged nothing starts anew
        train("mnist_gan", "--resume", "--epochs", 3, "--out", "run")
    assert caught.value.code == 2
    assert (tmp_path / "run/losses.csv").read_text().splitlines() == rows


def cut(data):
    return data[: min(1000, len(data) // 2)]


def emptied(data):
    return b""


def bit_turned(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


@pytest.mark.parametrize("moment", ["claiming", "training"])
def test_a_run_that_dies_at_its_very_start_goes_on(moment, eagerly, train, tmp_path, monkeypatch):
    """With an empty settings.json it is started again; with a whole one it is gone on with."""

    def die(*args):
        raise SystemExit(9)

    script = importlib.import_module("mlp_gan")
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="9"):
        if moment == "claiming":
            patch.setattr(os, "replace", die)
        else:
            patch.setattr(script, "make_train_batch", die)
        train("mlp_gan", *SMALL, "--epochs", 1, "--out", "run")
    again = [*SMALL, "--epochs", 1] if moment == "claiming" else ["--resume"]
    train("mlp_gan", *again, "--out", "run")
    train("mlp_gan", *SMALL, "--epochs", 1, "--out", "other")
    losses = [(tmp_path / folder / "losses.csv").read_text() for folder in ("run", "other")]
    assert losses[0] == losses[1] and losses[0].startswith("epoch,batch,d")


def test_a_checkpoint_is_due_a_minute_after_the_last(eagerly, train, tmp_path, monkeypatch):
    script = importlib.import_module("mnist_gan")
    seconds = iter(range(0, 10**6, 25))  # between two looks at the clock
    monkeypatch.setattr(script.time, "monotonic", lambda: next(seconds))
    saved = []
    manager = script.tf.train.CheckpointManager
    monkeypatch.setattr(manager, "save", lambda self, step: saved.append(step))
    train("mnist_gan", *SMALL, "--epochs", 1, "--out", "run")
    assert saved[0] == 0 and saved[-1] == 3 and {1, 2} & set(saved)


# ---- refusing ------------------------------------------------------------------------------------


def snapshot_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_neither_overwritten_nor_resumed_by_mistake(eagerly, train, tmp_path, capsys):
    train("mnist_gan", *SMALL, "--epochs", 1, "--out", "run")
    before = snapshot_of(tmp_path)
    with np.load(DIGITS) as file:
        np.savez(tmp_path / "other.npz", x_train=file["x_train"][::-1])
    more = ["--resume", "--out", "run", "--epochs", 2]
    assert "--resume" in refused("mnist_gan", capsys, *SMALL, "--out", "run")
    assert "raise --epochs" in refused("mnist_gan", capsys, "--resume", "--out", "run")
    assert "batch_size 8" in refused("mnist_gan", capsys, *more, "--batch-size", 9)
    assert "other data" in refused("mnist_gan", capsys, *more, "--data", "other.npz")
    assert "mnist_gan.py" in refused("cgan_mnist", capsys, *more)
    settings = tmp_path / "run/settings.json"
    new = settings.read_text()
    old = {k: v for k, v in json.loads(new).items() if k != "run_format"}
    settings.write_text(json.dumps(old))  # as earlier versions wrote it
    assert "another version" in refused("mnist_gan", capsys, *more)
    settings.write_text(new)
    assert "no run" in refused("mnist_gan", capsys, "--resume", "--out", "elsewhere")
    (tmp_path / "other.npz").unlink()
    assert before == snapshot_of(tmp_path)
    (tmp_path / "run/settings.json").write_text('{"epochs": ')
    assert "no run" in refused("mnist_gan", capsys, *more)


def test_of_two_starts_on_one_folder_one_is_refused(tmp_path):
    command = [sys.executable, PATHS["mlp_gan"], *SMALL, "--epochs", "1", "--out", "run"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], errors
    assert len(losses_of(tmp_path / "run")) == 3


def test_a_full_disk_ends_in_one_line(tmp_path):
    limit = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))"
    code = f"{limit}; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run(tmp_path, "-c", code, ROOT / "mnist_gan.py", *SMALL, "--epochs", 1, "--out", "run")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "mnist_gan.py: error: " in done.stderr
    assert not list((tmp_path / "run").glob("generator_model_*.h5"))


# ---- data ----------------------------------------------------------------------------------------


def test_flags_that_make_no_sense_get_one_line(capsys, tmp_path):
    data = ("--data", DIGITS)
    flags = [("--epochs", 0), ("--steps-per-epoch", "x"), ("--steps-per-epoch", 0)]
    flags += [("--batch-size", 1), ("--seed", -1), ("--speed", 1), ("--latent-dim", 0)]
    flags += [("--snapshot-every", 0), ("--ema", 1.5), ("--on-collapse", "restart")]
    for flag, value in flags:
        assert flag in refused("mnist_gan", capsys, *data, flag, value)
    assert "--margin" in refused("ebgan_mnist", capsys, *data, "--margin", 0)
    (tmp_path / "file").write_text("")
    assert "file/run" in refused("mnist_gan", capsys, *data, "--out", tmp_path / "file/run")


def test_data_that_cannot_be_downloaded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for scheme in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")  # nobody answers there
    for name in ("mnist_gan", "cgan_mnist"):
        assert "give --data" in refused(name, capsys, "--out", tmp_path / "run")


# ---- what is said --------------------------------------------------------------------------------


def test_piped_an_epoch_prints_at_most_ten_lines(eagerly, train, capsys):
    train("mnist_gan", "--data", DIGITS, "--batch-size", 2, "--steps-per-epoch", 35, "--epochs", 1)
    lines = re.findall(r"^>1, (\d+)/35, d=", capsys.readouterr().out, re.M)
    assert 8 <= len(lines) <= 10 and lines[-1] == "35"
    assert len(losses_of("runs/mnist_gan")) == 35


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_sees_the_line_redrawn_with_epoch_and_time_left(tmp_path):
    import pty

    command = [sys.executable, ROOT / "mnist_gan.py", *SMALL, "--epochs", "2"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        shown += part
    assert process.wait() == 0, shown
    line = r">2, [123]/3, d=N, g=N, \d+ s left\x1b\[K\r".replace("N", NUMBER)
    assert len(re.findall(line, shown.decode())) == 3, shown
    assert "\n>Accuracy real" in shown.decode()


def test_the_first_line_names_the_gpu_or_what_to_install(monkeypatch, capsys):
    script = importlib.import_module("mnist_gan")
    details = {"device_name": "NVIDIA H200"}
    monkeypatch.setattr(script.tf.config.experimental, "get_device_details", lambda gpu: details)
    for gpus in [], ["GPU:0"]:
        monkeypatch.setattr(script, "GPUS", gpus)
        with pytest.raises(SystemExit):
            script.main(["--data", "missing.npz"])
    without, with_gpu = capsys.readouterr().out.splitlines()
    assert "CPU" in without and 'pip install "tensorflow[and-cuda]"' in without
    assert with_gpu == "Training on NVIDIA H200"
