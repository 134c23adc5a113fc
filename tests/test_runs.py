"""Whole runs of the training scripts: from an empty folder to a picture, stopped and resumed."""

import importlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys

import h5py
import keras
import matplotlib.image
import numpy as np
import pytest
from conftest import ROOT

import generate

DIGITS, OBJECTS = ROOT / "samples/digits.npz", ROOT / "samples/objects.npz"
SCRIPTS = ["mnist_gan", "cifar10_gan", "cgan_mnist", "acgan_mnist", "infogan_mnist"]
SCRIPTS += ["ebgan_mnist", "mlp_gan"]
SMALL = ["--data", str(DIGITS), "--batch-size", "8", "--steps-per-epoch", "3"]
NUMBER = r"\d+\.\d{3}"
LINES = {  # the tutorials' lines, number by number
    "mnist_gan": r">1, 1/2, d=N, g=N",
    "cifar10_gan": r">1, 1/2, d1=N, d2=N g=N",
    "cgan_mnist": r">1, 1/2, d=N, acc=\d+%, g=N",
    "acgan_mnist": r">1, 1/2, dr\[N,N\], df\[N,N\], g\[N,N\]",
    "infogan_mnist": r">1, 1/2, d\[N,N\], g\[N\], q\[N,N\]",
    "ebgan_mnist": r">1, 1/2, d_real=N, d_fake=N, g=N, pt=N",
    "mlp_gan": r">1, 1/2, d_real=N, d_fake=N, g=N",
}


def run(folder, *command, **kwargs):
    """Run a command in a folder and return the finished process, its output as text."""
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, **kwargs)


def cells(path, height, width, margin, zoom):
    """Cut a grid picture into its images: (rows, columns, height, width, 3) in [0, 1]."""
    picture = matplotlib.image.imread(path)[::zoom, ::zoom, :3]
    step_y, step_x = height + 2 * margin, width + 2 * margin
    rows, columns = picture.shape[0] // step_y, picture.shape[1] // step_x
    picture = picture[: rows * step_y, : columns * step_x]
    picture = picture.reshape(rows, step_y, columns, step_x, 3).swapaxes(1, 2)
    return picture[:, :, margin : margin + height, margin : margin + width]


def grid_point(script, row, column):
    """Return what a script's generator is fed for one image of the grids of a run with seed 1."""
    seed = (1, -1)
    if script.__name__ in ("mnist_gan", "ebgan_mnist", "mlp_gan"):
        return script.generate_latent_points(100, 100, seed)[10 * row + column][None]
    if script.__name__ == "cifar10_gan":
        return script.generate_latent_points(100, 150, seed)[7 * row + column][None]
    if script.__name__ == "infogan_mnist":
        noise, _, codes = script.generate_latent_points(62, 10, seed)
        return np.concatenate([noise[row], np.eye(10)[column], codes[row]])[None]
    noise, _ = script.generate_latent_points(100, 10, seed)
    return [noise[row][None], np.array([[column]])]


# ---- from an empty folder to a picture -----------------------------------------------------------


@pytest.mark.parametrize("name", SCRIPTS)
def test_run_from_an_empty_folder_ends_in_generate(name, tmp_path, monkeypatch):
    """The script alone, in a folder of its own; then generate.py alone, on its snapshot."""
    shutil.copy(ROOT / f"{name}.py", tmp_path)
    shutil.copy(ROOT / "generate.py", tmp_path)
    data = OBJECTS if name == "cifar10_gan" else DIGITS
    command = f"{name}.py --data {data} --epochs 2 --steps-per-epoch 2 --snapshot-every 1"
    done = run(tmp_path, *command.split())
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(LINES[name].replace("N", NUMBER), lines[0]), lines[0]
    report = (
        r">Energy real: N, fake: N"
        if name == "ebgan_mnist"
        else r">Accuracy real: \d+%, fake: \d+%"
    )
    assert re.fullmatch(report.replace("N", NUMBER), lines[2]), lines[2]

    out = tmp_path / "runs" / name
    rows = np.genfromtxt(out / "losses.csv", delimiter=",", names=True)
    assert list(zip(rows["epoch"], rows["batch"], strict=True)) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    printed = float(re.search(NUMBER, lines[0])[0])
    assert rows[rows.dtype.names[2]][0] == pytest.approx(printed, abs=6e-4)
    files = {path.name for path in out.iterdir()}
    assert {"losses.png", "settings.json", "generated_plot_e001.png"} <= files
    assert not [file for file in files if file.startswith("part_")]

    # the snapshot opens with plain Keras, describes itself, and draws what its grid shows
    script = importlib.import_module(name)
    snapshot = out / "generator_model_002.h5"
    g_model = keras.models.load_model(snapshot)
    with h5py.File(snapshot) as file:
        about = json.loads(file.attrs["gan"])
    assert (about["script"], about["epoch"], about["seed"]) == (f"{name}.py", 2, 1)
    height, width, _ = script.IMAGE_SHAPE
    grid = cells(out / "generated_plot_e002.png", height, width, margin=1, zoom=2)
    n_rows = 7 if name == "cifar10_gan" else 10
    assert grid.shape[:2] == (n_rows, n_rows)
    image = g_model.predict(grid_point(script, row=3, column=6), verbose=0)[0]
    low, high = about["pixel_range"]
    shown = (image - low) / (high - low)
    shown = shown if name == "cifar10_gan" else np.repeat(1 - shown, 3, axis=-1)
    np.testing.assert_allclose(grid[3, 6], shown, atol=0.01)
    before = cells(out / "generated_plot_e001.png", height, width, margin=1, zoom=2)
    assert np.abs(grid - before).max() > 0.005  # the same points, one epoch on

    done = run(tmp_path, "generate.py", snapshot, "--npz", "samples.npz")
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(tmp_path / "samples.npz") as samples:
        images = samples["images"]
        labels = samples["labels"] if "labels" in samples else None
    assert images.dtype == np.float32 and images.shape[1:] == script.IMAGE_SHAPE
    assert 0 <= images.min() and images.max() <= 1 and images.std() > 0
    assert (labels is None) == (name not in ("cgan_mnist", "acgan_mnist", "infogan_mnist"))
    if labels is not None:
        assert labels.tolist() == list(range(10)) * 10
    picture = matplotlib.image.imread(tmp_path / "generator_model_002_samples.png")
    assert picture[..., :3].std() > 0


def test_cgan_learns_to_draw_the_digit_it_is_asked_for(tmp_path):
    """A minute's training on the shipped digits puts each digit into its column."""
    out = tmp_path / "run"
    command = ["--data", DIGITS, "--epochs", 30, "--snapshot-every", 30, "--out", out]
    assert run(tmp_path, ROOT / "cgan_mnist.py", *command).returncode == 0
    model = str(out / "generator_model_030.h5")
    png, npz = str(tmp_path / "grid.png"), str(tmp_path / "grid.npz")
    generate.main([model, "--out", png, "--npz", npz, "--grid", "20x10"])
    with np.load(npz) as file:
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


# ---- stopping, going on, refusing ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist_gan", "acgan_mnist"])
def test_a_resumed_run_equals_an_uninterrupted_one(name, tmp_path, monkeypatch, capsys):
    """Weights, optimizers, Dropout's random state and the counters all come back."""
    monkeypatch.chdir(tmp_path)
    script = importlib.import_module(name)
    script.main([*SMALL, "--epochs", "2", "--out", "whole"])
    script.main([*SMALL, "--epochs", "1", "--out", "parts"])
    script.main(["--resume", "--epochs", "2", "--out", "parts"])
    for file in ("losses.csv", "generated_plot_e002.png"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()
    whole, parts = (
        keras.models.load_model(f"{out}/generator_model_002.h5").get_weights()
        for out in ("whole", "parts")
    )
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-u", str(ROOT / "cgan_mnist.py"), "--data", str(DIGITS)]
    command += ["--epochs", "3", "--steps-per-epoch", "40", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith(">1, 2/40"):
            break
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "Traceback" not in rest
    advice = rest.strip().splitlines()[-1]
    assert advice.endswith("python cgan_mnist.py --resume --out run")
    rows = (tmp_path / "run/losses.csv").read_text().splitlines()
    assert 3 <= len(rows) < 121

    done = run(tmp_path, ROOT / "cgan_mnist.py", "--resume", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/losses.csv").read_text().splitlines()[: len(rows)] == rows
    losses = np.genfromtxt(tmp_path / "run/losses.csv", delimiter=",", names=True)
    batches = [(epoch, batch) for epoch in (1, 2, 3) for batch in range(1, 41)]
    assert list(zip(losses["epoch"], losses["batch"], strict=True)) == batches
    assert (tmp_path / "run/generator_model_003.h5").exists()


def snapshot_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(script, capsys, *arguments):
    """Return the one line with which a script refuses its arguments."""
    with pytest.raises(SystemExit) as caught:
        script.main(list(map(str, arguments)))
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith(f"{script.__name__}.py: error: ") and error.count("\n") == 1, error
    return error


def test_a_run_is_neither_overwritten_nor_resumed_by_mistake(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cgan, other = (importlib.import_module(name) for name in ("cgan_mnist", "mnist_gan"))
    cgan.main([*SMALL, "--epochs", "1", "--out", "run"])
    capsys.readouterr()
    before = snapshot_of(tmp_path)
    small = [*SMALL, "--epochs", "1"]
    assert "--resume" in refused(cgan, capsys, *small, "--out", "run")
    assert "raise --epochs" in refused(cgan, capsys, "--resume", "--out", "run")
    assert "--batch-size 8" in refused(cgan, capsys, "--resume", "--out", "run", "--batch-size", 9)
    assert "cgan_mnist.py" in refused(other, capsys, "--resume", "--out", "run")
    assert "holds no run" in refused(cgan, capsys, "--resume", "--out", "elsewhere")
    after = snapshot_of(tmp_path)
    assert before.keys() == after.keys()
    changed = {path.name for path in before if before[path] != after[path]}
    assert not changed - {"settings.json"}


# ---- data ----------------------------------------------------------------------------------------


def save_pictures(folder, images, labels):
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(folder / str(label) / f"{i:03d}.png", image, scale=False)


def test_a_folder_of_pictures_gives_the_same_data_as_an_npz(tmp_path):
    cgan = importlib.import_module("cgan_mnist")
    with np.load(DIGITS) as file:
        x, y = file["x_train"][:40, ..., None], file["y_train"][:40]
    order = np.argsort(y, kind="stable")
    assert set(y) == set(range(10))
    save_pictures(tmp_path, x[order], y[order])
    images, labels = cgan.load_real_samples(tmp_path)
    np.testing.assert_array_equal(images, x[order])
    np.testing.assert_array_equal(labels, y[order])


def test_pictures_are_cropped_in_the_centre_and_resized(tmp_path):
    cifar = importlib.import_module("cifar10_gan")
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = (200, 100, 50)  # the central square; its sides are black
    keras.utils.save_img(tmp_path / "wide.png", wide, scale=False)
    images = cifar.load_real_samples(tmp_path)
    assert images.shape == (1, 32, 32, 3) and images.dtype == np.uint8
    inside = images[0, :, 4:-4]  # the filter looks a little beyond the crop
    np.testing.assert_allclose(inside, np.broadcast_to((200, 100, 50), inside.shape), atol=1)


def test_data_that_cannot_be_used_gets_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cgan, mnist = (importlib.import_module(name) for name in ("cgan_mnist", "mnist_gan"))
    x, y = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10

    def npz(**arrays):
        np.savez("data.npz", **arrays)
        return "--data", "data.npz"

    assert "missing.npz" in refused(mnist, capsys, "--data", "missing.npz")
    (tmp_path / "text.npz").write_text("not an array")
    assert "text.npz" in refused(mnist, capsys, "--data", "text.npz")
    assert "x_train" in refused(mnist, capsys, *npz(images=x))
    assert "uint8 (n, 28, 28, 1)" in refused(mnist, capsys, *npz(x_train=x[:, :20]))
    assert "float64" in refused(mnist, capsys, *npz(x_train=x / 255))
    assert "empty" in refused(mnist, capsys, *npz(x_train=x[:0]))
    assert "y_train" in refused(cgan, capsys, *npz(x_train=x))
    assert "20 whole numbers" in refused(cgan, capsys, *npz(x_train=x, y_train=y[:5]))
    assert "0 to 9" in refused(cgan, capsys, *npz(x_train=x, y_train=y + 1))
    (tmp_path / "folder").mkdir()
    assert "no pictures" in refused(mnist, capsys, "--data", "folder")
    (tmp_path / "folder/one.png").write_text("not a picture")
    assert "one.png" in refused(mnist, capsys, "--data", "folder")
    assert "sub-folders" in refused(cgan, capsys, "--data", "folder")
    assert not (tmp_path / "runs").exists()


def test_arguments_that_make_no_sense_get_one_line(capsys, tmp_path):
    mnist = importlib.import_module("mnist_gan")
    data = ("--data", DIGITS)
    assert "--epochs" in refused(mnist, capsys, *data, "--epochs", "0")
    assert "--steps-per-epoch" in refused(mnist, capsys, *data, "--steps-per-epoch", "x")
    assert "--batch-size" in refused(mnist, capsys, *data, "--batch-size", "1")
    assert "--seed" in refused(mnist, capsys, *data, "--seed", "-1")
    assert "--speed" in refused(mnist, capsys, *data, "--speed", "1")
    (tmp_path / "file").write_text("")
    assert "--out" in refused(mnist, capsys, *data, "--out", tmp_path / "file/run")


def test_data_that_cannot_be_downloaded(tmp_path, monkeypatch, capsys):
    """Says where the file was looked for; and a file that Keras would reject is not deleted."""
    mnist = importlib.import_module("mnist_gan")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for scheme in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")  # nobody answers there
    cached = tmp_path / "datasets/mnist.npz"
    error = refused(mnist, capsys)
    assert str(cached) in error and "--data samples/digits.npz" in error
    cached.parent.mkdir()
    cached.write_text("a download cut short")
    assert str(cached) in refused(mnist, capsys)
    assert cached.read_text() == "a download cut short"


# ---- the terminal --------------------------------------------------------------------------------


def test_a_terminal_gets_a_progress_bar_instead_of_a_line_per_batch(tmp_path):
    command = [sys.executable, ROOT / "cgan_mnist.py", *SMALL, "--epochs", "1"]
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
    shown = shown.decode()
    assert "3/3" in shown and "batches/s" in shown and " - d: " in shown
    assert ">1, 1/3" not in shown and ">Accuracy real" in shown
