"""What the tutorials suggest to try, as diffs; averaged weights; the variants' own pictures."""

import functools
import importlib
import inspect
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import copies
import distribute
import exercise
import keras
import matplotlib.image
import numpy as np
import pytest
from helpers import (
    DIGITS,
    INFOGANS,
    OBJECTS,
    PATHS,
    ROOT,
    cells,
    data_of,
    description,
    grid_point,
    learned,
    losses_of,
    moved,
    prepare,
    refused,
    values,
)
from training_scripts import import_script

import generate

DIFFS = [(path.parent.name, path.stem) for path in sorted(exercise.EXERCISES.glob("*/*.diff"))]
SHORT = ["--batch-size", "4", "--steps-per-epoch", "1", "--epochs", "1"]
TRIAL = ["--batch-size", "8", "--steps-per-epoch", "1", "--snapshot-every", "1"]


def all_with(*names):
    """Mark a test to run for each script that has an exercise of one of these names."""
    pairs = [(name, what) for name, what in DIFFS if what in names]
    assert {what for _, what in pairs} == set(names)
    ids = [f"{name}-{what}" for name, what in pairs]
    return pytest.mark.parametrize("name,what", pairs, ids=ids)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def entropy(p):
    """Return the least loss that answers to random targets of the mean p can have."""
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


# ---- exercises and mistakes ----------------------------------------------------------------------

TRAINED = {}  # what `trained` has found out


def skip(run):
    """Stand in for what a run does without changing anything."""


@pytest.fixture
def trained(eagerly, monkeypatch, tmp_path):
    """Return a function that trains one batch of an exercise and says what happened in it.

    An exercise that a test before had is not trained again. There are no checkpoints, and grids of
    one row.
    """
    seen = SimpleNamespace(targets=[], averages={})

    class WatchedLoss(keras.losses.BinaryCrossentropy):
        def __call__(self, y, p, sample_weight=None):
            seen.targets.append(np.unique(np.array(y)))
            return super().__call__(y, p, sample_weight)

    def watch_averages(key, d_model, optimizer):
        """Keep D's running averages as they are at the end of an update."""
        averages = [weight for weight in d_model.weights if "moving_" in weight.path]
        apply = optimizer.apply

        def watched(*args):
            apply(*args)
            seen.averages[key] = values(averages)

        optimizer.apply = watched

    def import_watched(path):
        script = import_script(path)
        script_train = script.train
        signature = inspect.signature(script_train)

        def watched_train(*args):
            handed = signature.bind(*args).arguments
            d_model, g_model, gan_model = (handed[f"{x}_model"] for x in ("d", "g", "gan"))
            watch_averages("d", d_model, d_model.optimizer)
            watch_averages("g", d_model, gan_model.optimizer)
            before = [values(learned(model)) for model in (d_model, g_model)]
            script_train(*args)
            seen.averages["end"] = [w.numpy() for w in d_model.weights if "moving_" in w.path]
            seen.d_moved = moved(before[0], learned(d_model))
            seen.g_moved = moved(before[1], learned(g_model))
            optimizers = d_model.optimizer, gan_model.optimizer
            seen.rates = [float(optimizer.learning_rate) for optimizer in optimizers]
            seen.dataset = handed["dataset"]
            X, _ = script.generate_real_samples(seen.dataset, 500, (1, 2))
            images = np.array(X[0] if isinstance(X, list) else X)
            seen.pixels = (images.min(), images.max())
            seen.d_kinds, seen.g_kinds = kinds(d_model), kinds(g_model)
            seen.d_count, seen.g_count = d_model.count_params(), g_model.count_params()
            seen.g_end = g_model.layers[-1].get_config().get("activation")

        seen.script = script
        script.train = watched_train
        script.Run.save_checkpoint = skip
        script.Run.save_and_plot = skip
        distribute.evaluate_alone(script)  # D, as Keras does, and sooner done
        summarize = script.summarize_performance
        script.summarize_performance = functools.partial(summarize, n_samples=7)  # a row
        return script

    def trained(name, what):
        if (name, what) not in TRAINED:
            exercise.main([str(PATHS[name]), what, "--data", str(data_of(name)), *SHORT])
            folder = tmp_path / "runs" / f"{name}_{what}"
            seen.losses = losses_of(folder)
            seen.description = description(folder / "generator_model_001.h5")
            TRAINED[name, what] = seen
        return TRAINED[name, what]

    monkeypatch.setattr(exercise, "import_script", import_watched)
    monkeypatch.setattr(keras.losses, "BinaryCrossentropy", WatchedLoss)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return trained


@pytest.mark.parametrize("name,what", DIFFS, ids=[f"{name}-{what}" for name, what in DIFFS])
def test_every_exercise_trains_under_a_name_of_its_own(name, what, trained):
    found = trained(name, what)
    assert len(found.losses) == 1
    assert np.isfinite(found.losses.view(float)).all()
    assert found.description["script"] == f"{name}_{what}.py"
    assert all(found.g_moved)
    assert all(found.d_moved) == (what != "frozen")


@pytest.mark.parametrize("name,what", DIFFS, ids=[f"{name}-{what}" for name, what in DIFFS])
def test_a_diff_changes_the_story_alone(name, what, tmp_path):
    diff = exercise.EXERCISES / name / f"{what}.diff"
    explanation, _, changes = diff.read_text().partition("\n--- a/")
    assert changes.startswith(f"{PATHS[name].relative_to(ROOT)}\n")  # for git apply at the root
    lines = explanation.splitlines()
    assert len(lines) > 2 and lines[1] == "" and max(map(len, lines)) <= 100
    copy = exercise.change(PATHS[name], diff, tmp_path)
    story, run = copies.split(name, copy.read_text())
    plain_story, plain_run = copies.split(name, PATHS[name].read_text())
    assert run == plain_run
    assert story.replace(f'NAME = "{name}_{what}"', f'NAME = "{name}"') != plain_story


@all_with("frozen")
def test_frozen_leaves_d_as_it_was(name, what, trained):
    found = trained(name, what)
    assert found.d_moved and not any(found.d_moved)
    assert found.g_moved and all(found.g_moved)


@all_with("rate")
def test_rate_is_ten_times_as_high_for_d_alone(name, what, trained):
    g_rate = 0.001 if name in INFOGANS else 0.0002
    assert trained(name, what).rates == pytest.approx([0.002, g_rate])


@all_with("range")
def test_range_leaves_pixels_as_they_are(name, what, trained):
    low, high = trained(name, what).pixels
    assert low < 5 and 250 < high <= 255


@all_with("labels")
def test_labels_are_those_of_other_images(name, what, trained):
    images, labels, _ = trained(name, what).dataset
    with np.load(DIGITS) as file:
        np.testing.assert_array_equal(images[..., 0], file["x_train"])
        assert 0.05 < np.mean(labels == file["y_train"]) < 0.2  # by chance a tenth
        np.testing.assert_array_equal(np.bincount(labels), np.bincount(file["y_train"]))


@all_with("tanh", "tanh_batch_norm")
def test_tanh_comes_with_pixels_from_minus_1_to_1(name, what, trained, tmp_path):
    TRAINED.pop((name, what), None)  # the files of a test that has passed are gone
    found = trained(name, what)
    assert found.g_end == "tanh"
    assert found.pixels == (-1, 1)
    folder = tmp_path / "runs" / f"{name}_{what}"
    snapshot = folder / "generator_model_001.h5"
    assert description(snapshot)["pixel_range"] == [-1, 1]
    generate.main([str(snapshot), "--npz", str(tmp_path / "images.npz")])
    with np.load(tmp_path / "images.npz") as file:  # an untrained tanh is about 0: the middle
        assert abs(file["images"].mean() - 0.5) < 0.1
    assert abs(cells(folder / "generated_plot_e001.png", 28, 28).mean() - 0.5) < 0.1


@all_with("batch_norm", "tanh_batch_norm")
def test_batch_norm_stands_before_each_activation_of_g(name, what, trained):
    found = trained(name, what)
    plain = importlib.import_module(name).define_generator(100)
    without = [kind for kind in found.g_kinds if kind != "BatchNormalization"]
    assert without == kinds(plain)
    assert "BatchNormalization" not in found.d_kinds
    for k, kind in enumerate(found.g_kinds):
        assert (kind == "BatchNormalization") == (found.g_kinds[k + 1 : k + 2] == ["LeakyReLU"])


@all_with("batch_norm_d")
def test_the_update_of_g_leaves_the_averages_of_d_alone(name, what, trained):
    found = trained(name, what)
    n = found.d_kinds.count("LeakyReLU") - 1  # all but the first
    assert found.d_kinds.count("BatchNormalization") == n
    assert "BatchNormalization" not in found.g_kinds
    assert len(found.averages["d"]) == 2 * n
    for after_d, within_g, end in zip(*(found.averages[x] for x in ("d", "g", "end")), strict=True):
        assert np.abs(within_g - after_d).max() > 0
        np.testing.assert_array_equal(end, after_d)


@all_with("nearest")
def test_nearest_has_other_layers_of_the_same_size(name, what, trained):
    found = trained(name, what)
    plain = importlib.import_module(name).define_generator(100)
    n = kinds(plain).count("Conv2DTranspose")
    assert found.g_kinds.count("UpSampling2D") == n and "Conv2DTranspose" not in found.g_kinds
    assert found.g_kinds.count("Conv2D") == kinds(plain).count("Conv2D") + n
    assert found.g_count == plain.count_params()


@all_with("smoothing", "no_smoothing")
def test_smoothing_changes_the_target_of_real_images_and_the_alarm(name, what, trained):
    found = trained(name, what)
    target = {"smoothing": 0.9, "no_smoothing": 1}[what]
    of_d = np.unique(np.concatenate(found.targets[: len(found.script.D_LOSSES)]))
    np.testing.assert_allclose(of_d, [0, target], rtol=1e-6)
    np.testing.assert_array_equal(found.targets[len(found.script.D_LOSSES)], [1])  # G's
    least = entropy(0.9) / 2 if what == "smoothing" else 0
    assert found.script.D_HAS_WON == pytest.approx(least + 0.03, abs=0.001)


@all_with("noisy_labels")
def test_noisy_labels_are_noisy_for_d_alone(name, what, trained):
    found = trained(name, what)
    script = found.script
    n = len(script.D_LOSSES)  # calls of the loss for D; then one for G
    of_d = np.concatenate([y for k, y in enumerate(found.targets) if k % (n + 1) < n])
    assert np.mean((of_d > 0.8) & (of_d < 1)) > 0.5
    for of_g in found.targets[n :: n + 1]:
        np.testing.assert_array_equal(of_g, [1])
    real, fake = np.ones((20000, 1), np.float32), np.zeros((20000, 1), np.float32)
    y_real, y_fake = (np.array(script.add_noise(y, (1, 2))) for y in (real, fake))
    for y in (y_real, y_fake):
        assert ((y == 0) | (y >= 0.8)).all() and (y < 1).all()
    assert np.mean(y_real == 0) == pytest.approx(0.05, abs=0.005)
    assert np.mean(y_fake > 0) == pytest.approx(0.05, abs=0.005)
    assert y_real[y_real > 0].mean() == pytest.approx(0.9, abs=0.005)
    least = (entropy(y_real.mean()) + entropy(y_fake.mean())) / 2
    assert script.D_HAS_WON == pytest.approx(least + 0.03, abs=0.01)


@all_with("deeper", "shallower")
def test_both_networks_are_a_convolution_deeper_or_shallower(name, what, trained):
    found = trained(name, what)
    plain = importlib.import_module(name)
    models = plain.define_discriminator(), plain.define_generator(100)
    for model, changed in zip(models, (found.d_kinds, found.g_kinds), strict=True):
        before, after = (sum("Conv2D" in x for x in each) for each in (kinds(model), changed))
        assert after - before == {"deeper": 1, "shallower": -1}[what]


@all_with("latent_dim", "latent_dim_1")
def test_latent_space_is_small(name, what, trained):
    size = {"latent_dim": 10, "latent_dim_1": 1}[what]
    about = trained(name, what).description
    assert [part["size"] for part in about["latent"]] == [size]


def end_of(capsys, *argv):
    """Return the one line with which tools/exercise.py refuses its arguments."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        exercise.main(list(map(str, argv)))
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert said.err.count("\n") == 1, said.err
    return said.err


def test_the_list_shows_every_exercise_once(capsys):
    listed = []
    for name in sorted({name for name, _ in DIFFS}):
        exercise.main([str(PATHS[name])])
        for line in capsys.readouterr().out.splitlines():
            what, first = line.split(maxsplit=1)
            diff = exercise.EXERCISES / name / f"{what}.diff"
            assert diff.read_text().startswith(f"{first}\n")
            listed.append((name, what))
    assert listed == DIFFS and len(DIFFS) > 30


def test_what_does_not_exist_ends_in_one_line(capsys, tmp_path):
    names = end_of(capsys, PATHS["mlp_gan"], "batch_norm")
    assert names.endswith("has no batch_norm, but g_rate, no_smoothing, range\n")
    assert "mnist_gan" in end_of(capsys, PATHS["ebgan_mnist"])
    assert "none.py" in end_of(capsys, tmp_path / "none.py", "range")
    (tmp_path / "mnist_gan.py").write_bytes(b"\xff\xfe")
    end_of(capsys, tmp_path / "mnist_gan.py", "range")
    end_of(capsys, PATHS["mnist_gan"], "--epochs", 2)


def test_a_diff_that_no_longer_applies_ends_in_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    text = PATHS["mnist_gan"].read_text()
    assert text.count("Dense(128 * 7 * 7)") == 1
    (tmp_path / "mnist_gan.py").write_text(text.replace("Dense(128 * 7 * 7)", "Dense(6272)"))
    line = end_of(capsys, "mnist_gan.py", "batch_norm", *SHORT)
    assert "batch_norm.diff does not fit mnist_gan.py" in line
    (tmp_path / "mnist_gan.py").write_text(text.replace('NAME = "mnist_gan"', "name = 1"))
    end_of(capsys, "mnist_gan.py", "rate", *SHORT)
    assert os.listdir() == ["mnist_gan.py"]


def test_without_git_it_ends_in_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is missing" in end_of(capsys, PATHS["mnist_gan"], "rate", *SHORT)


@pytest.mark.parametrize("in_hook", [False, True])
def test_git_does_not_mistake_the_copy_for_a_part_of_a_repository(in_hook, monkeypatch, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    if in_hook:
        monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    text = (exercise.EXERCISES / "mlp_gan/no_smoothing.diff").read_text()
    header = "diff --git a/variants/mlp_gan.py b/variants/mlp_gan.py"  # as `git diff` writes it
    diff = tmp_path / "no_smoothing.diff"
    diff.write_text(text.replace("--- a/", f"{header}\n--- a/"))
    folder = tmp_path / "inside" / "folder"
    folder.mkdir(parents=True)
    copy = exercise.change(PATHS["mlp_gan"], diff, folder)
    assert folder in copy.parents
    assert "y_real *= 0.9" in PATHS["mlp_gan"].read_text()
    assert "y_real *= 0.9" not in copy.read_text()


def test_the_copy_is_trained_with_the_flags_and_then_removed(
    eagerly, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    plain = importlib.import_module("mnist_gan")
    data = ["--data", str(DIGITS)]
    shutil.copy(PATHS["mnist_gan"], ".")  # it may stand anywhere
    command = ["mnist_gan.py", "latent_dim"]

    exercise.main([*command, *data, *TRIAL, "--epochs", "1"])
    said = capsys.readouterr().out
    assert said.startswith((exercise.EXERCISES / "mnist_gan/latent_dim.diff").read_text())
    assert not os.listdir(tmp_path / "scratch")
    exercise.main([*command, "--resume", "--epochs", "2"])
    assert len(losses_of("runs/mnist_gan_latent_dim")) == 2
    line = refused("mnist_gan", capsys, "--resume", "--out", "runs/mnist_gan_latent_dim")
    assert "mnist_gan_latent_dim.py" in line

    plain.main([*data, *TRIAL, "--epochs", "1", "--out", "plain"])
    assert "mnist_gan.py" in end_of(capsys, *command, "--resume", "--out", "plain")
    with pytest.raises(SystemExit) as caught:
        exercise.main([*command, "--help"])
    assert caught.value.code == 0
    assert "runs/mnist_gan_latent_dim" in capsys.readouterr().out
    assert not os.listdir(tmp_path / "scratch")


@pytest.fixture
def trial(train, eagerly):  # noqa: F811
    """Return a function that trains a batch an epoch in the current folder."""

    def trial(name, *flags, out="run"):
        return train(name, *TRIAL, "--data", data_of(name), "--out", out, *flags)

    return trial


# ---- averaged weights ----------------------------------------------------------------------------


def test_ema_snapshots_hold_the_average_of_the_weights(trial, train, capsys):  # noqa: F811
    """A batch an epoch, so that the plain snapshots show every state that was averaged."""
    trial("cgan_mnist", "--epochs", 3, out="plain")
    trial("cgan_mnist", "--ema", 0.6, "--epochs", 1, "--snapshot-every", 9)
    train("cgan_mnist", "--resume", "--out", "run", "--epochs", 3)  # the averages go on, too
    assert open("plain/losses.csv").read() == open("run/losses.csv").read()  # training is the same

    plain = [keras.models.load_model(f"plain/generator_model_{k:03d}.h5") for k in (1, 2, 3)]
    model = keras.models.load_model("run/generator_model_003.h5")
    states, averaged = [x.get_weights() for x in plain], model.get_weights()
    learned = [weight.trainable for weight in model.weights]
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(states[2], averaged, strict=True))
    for first, second, third, average, by_gradient in zip(*states, averaged, learned, strict=True):
        mean = 0.6 * (0.6 * first + 0.4 * second) + 0.4 * third
        if by_gradient:
            np.testing.assert_allclose(average, mean, rtol=1e-4, atol=1e-6)
    assert description("run/generator_model_003.h5")["averaged"]
    assert not description("plain/generator_model_003.h5")["averaged"]
    assert "--ema" in refused(
        "cgan_mnist", capsys, "--data", DIGITS, "--out", "new", "--ema", "1.5"
    )

    # the statistics are those of the images that the averaged weights draw: in training mode and in
    # inference G then draws alike, as it would not with the old ones
    points = importlib.import_module("cgan_mnist").generate_latent_points(100, 1000, seed=(5, 5))
    difference, of_plain = (
        np.abs(x(points, training=True) - x(points)).mean() for x in (model, plain[2])
    )
    assert difference < 0.1 * of_plain, (difference, of_plain)


# ---- the variants --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "SGD"])
def test_both_networks_learn_with_the_optimizer_asked_for(name):
    _, handed = prepare("colour_gan", "--optimizer", name.lower())
    d_model, gan_model = handed["d_model"], handed["gan_model"]
    assert type(d_model.optimizer).__name__ == type(gan_model.optimizer).__name__ == name
    assert d_model.optimizer is not gan_model.optimizer


def test_mlp_gan_shows_the_first_epoch_and_every_twentieth():
    script = importlib.import_module("mlp_gan")
    run = script.Run(script.make_parser().parse_args([]))
    assert [k + 1 for k in range(45) if run.wants_snapshot(k, 45)] == [1, 20, 40, 45]


def test_comparison_of_optimizers(train, capsys, eagerly):  # noqa: F811
    compare = ["--data", OBJECTS, "--batch-size", 8, "--steps-per-epoch", 2, "--epochs", 1]
    compare += ["--compare-optimizers", "--out", "run"]
    train("colour_gan", *compare)
    runs = {name: losses_of(f"run/{name}") for name in ("adam", "rmsprop", "sgd")}
    for rows in runs.values():
        assert len(rows) == 2
        # the same weights, images and noise to begin with; then each its own way
        assert rows["d_real"][0] == runs["adam"]["d_real"][0]
    assert len({rows["d_real"][1] for rows in runs.values()}) == 3
    picture = matplotlib.image.imread("run/optimizers.png")
    assert all(third.std() > 0.05 for third in np.array_split(picture[..., :3], 3, axis=1))

    assert "not allowed" in refused("colour_gan", capsys, *compare, "--optimizer", "sgd")
    shutil.rmtree("run/sgd")  # as if it had been stopped there
    before = open("run/adam/losses.csv").read()
    train("colour_gan", *compare)
    assert open("run/adam/losses.csv").read() == before
    np.testing.assert_array_equal(losses_of("run/sgd"), runs["sgd"])


def test_labelled_infogan_draws_its_two_pictures(trial, capsys):
    trial("infogan_labelled", "--without-cr", "--epochs", 1)
    lines = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d+"
    assert re.fullmatch(rf">Epoch 1: d={number}, g={number}", lines[-4]), lines
    assert re.fullmatch(rf">Class accuracy real: {number}%, fake: {number}%", lines[-2]), lines
    assert re.fullmatch(rf">Test images: d={number}, g={number}", lines[-1]), lines
    sheet = cells("run/generated_plot_e001.png", 28, 28)
    assert sheet.shape[:2] == (10, 10)
    model = keras.models.load_model("run/generator_model_001.h5")
    assert [p["size"] for p in description("run/generator_model_001.h5")["latent"]] == [10, 2, 38]
    for row, column in ((0, 3), (9, 7)):
        image = 1 - model.predict(grid_point("infogan_labelled", row, column), verbose=0)[0]
        np.testing.assert_allclose(sheet[row, column], np.repeat(image, 3, axis=-1), atol=0.01)
    assert matplotlib.image.imread("run/generated_plot_e001_labels.png")[..., :3].std() > 0.05


def test_unsupervised_infogan_never_reads_labels(tmp_path):
    with np.load(DIGITS) as file:
        np.savez(tmp_path / "unlabelled.npz", x_train=file["x_train"][:50])
    script = importlib.import_module("infogan_mnist")
    assert len(script.load_real_samples(tmp_path / "unlabelled.npz")) == 50
