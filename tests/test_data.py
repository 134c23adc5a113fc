"""Data of one's own: folders of pictures, classes of any number, and what cannot be used."""

import importlib

import keras
import numpy as np
from helpers import DIGITS, cells, description, refused, save_pictures

import generate


def test_a_folder_of_pictures_gives_the_same_data_as_an_npz(tmp_path):
    cgan, mnist = (importlib.import_module(name) for name in ("cgan_mnist", "mnist_gan"))
    with np.load(DIGITS) as file:
        x, y = file["x_train"][:40, ..., None], file["y_train"][:40]
    order = np.argsort(y, kind="stable")
    save_pictures(tmp_path, x[order], y[order])
    images, labels, names = cgan.load_real_samples(tmp_path)
    np.testing.assert_array_equal(images, x[order])
    np.testing.assert_array_equal(labels, y[order])
    assert names == [str(k) for k in range(10)]
    np.testing.assert_array_equal(mnist.load_real_samples(tmp_path), x[order])


def test_own_classes_of_any_number(eagerly, train, tmp_path, capsys):
    """Three folders of pictures: the grid has three columns, and --labels takes their names."""
    with np.load(DIGITS) as file:
        x, y = file["x_train"][..., None], file["y_train"]
    pictures = np.concatenate([x[y == k][:8] for k in (3, 5, 8)])
    save_pictures(tmp_path / "own", pictures, np.repeat(["bee", "cat", "ant"], 8))
    flags = ["--data", "own", "--batch-size", 4, "--epochs", 1, "--steps-per-epoch", 2]
    train("cgan_mnist", *flags, "--ema", 0.5, "--out", "run")
    assert "0 is ant, 1 is bee, 2 is cat" in capsys.readouterr().out
    assert cells("run/generated_plot_e001.png", 28, 28).shape[:2] == (10, 3)
    model = "run/generator_model_001.h5"
    assert description(model)["class_names"] == ["ant", "bee", "cat"]
    generate.main([model, "--labels", "cat,0", "--grid", "1x2", "--out", "a.png", "--npz", "a.npz"])
    with np.load("a.npz") as file:
        assert file["labels"].tolist() == [2, 0]
    assert "cgan_mnist.py: error: " in refused("cgan_mnist", capsys, "--data", "own/ant")


def test_of_many_classes_the_grid_shows_the_first_20(eagerly, train, tmp_path):
    x = np.random.default_rng(1).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", x_train=x, y_train=np.arange(60)[:, None] % 26)
    flags = ["--batch-size", 4, "--epochs", 1, "--steps-per-epoch", 2, "--out"]
    for name in ("cgan_mnist", "infogan_labelled"):
        train(name, "--data", "many.npz", *flags, name)
        assert cells(f"{name}/generated_plot_e001.png", 28, 28).shape[:2] == (10, 20)
        assert description(f"{name}/generator_model_001.h5")["classes"] == 26


def test_a_large_folder_shows_how_far_it_was_read(tmp_path, capsys):
    image = np.zeros((28, 28, 1), np.uint8)
    save_pictures(tmp_path, [image] * 1001, ["x"] * 1001)
    importlib.import_module("mnist_gan").load_real_samples(tmp_path)
    assert "1000 pictures read" in capsys.readouterr().out


def test_data_that_cannot_be_used_gets_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x, y = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 10

    def error(name, path="data.npz", **arrays):
        if arrays:
            np.savez("data.npz", **arrays)
        return refused(name, capsys, "--data", path)

    assert "missing.npz: no such file" in error("mnist_gan", "missing.npz")
    (tmp_path / "text.npz").write_text("not an array")
    assert "text.npz" in error("mnist_gan", "text.npz")
    assert "no array x_train, but a, b" in error("mnist_gan", a=x, b=x)
    assert "no array y_train" in error("cgan_mnist", x_train=x)
    assert "5 labels" in error("cgan_mnist", x_train=x, y_train=y[:5])
    assert "1 classes" in error("cgan_mnist", x_train=x, y_train=0 * y)
    (tmp_path / "folder").mkdir()
    assert "no pictures" in error("mnist_gan", "folder")
    keras.utils.save_img("folder/whole.png", x[0, ..., None])
    assert "1 classes" in error("cgan_mnist", "folder")
    (tmp_path / "folder/torn.png").write_bytes((tmp_path / "folder/whole.png").read_bytes()[:50])
    assert "torn.png" in error("mnist_gan", "folder")
    few = {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:2] + 10}
    assert "test labels that no training image has: 10, 11" in error("infogan_labelled", **few)
    few = {"x_train": x, "y_train": y, "x_test": x[:2], "y_test": y[:1]}
    assert "2 images have 1 labels" in error("infogan_labelled", **few)
    assert not (tmp_path / "runs").exists()


def test_images_of_your_own_are_not_tested_with_those_of_mnist(monkeypatch):
    """Where the tutorial's lines were given own data, of which the run knows no file."""
    script = importlib.import_module("infogan_labelled")
    rng = np.random.default_rng(2)
    own, mnist, test = rng.integers(0, 256, (3, 20, 28, 28, 1), np.uint8)
    labels = np.arange(20, dtype=np.int32) % 10
    loaded = [(images[..., 0], labels) for images in (mnist, test)]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: loaded)
    digits = [str(k) for k in range(10)]
    for images, names, expected in ((own, [*"abcdefghij"], own), (mnist, digits, test)):
        X, y = script.load_test_samples([images, labels, names], 15)
        np.testing.assert_array_equal(X, expected[:15] / np.float32(255))
        assert y.tolist() == labels[:15].tolist()


def test_classes_are_named_where_they_are_not_their_numbers(train, eagerly, capsys):
    flags = ["--batch-size", 4, "--epochs", 1, "--steps-per-epoch", 1]
    x, y = np.zeros((20, 28, 28), np.uint8), np.arange(20) % 4
    for labels, said in ((y, False), (y + 1, True), (np.array([*"abcd"])[y], True)):
        np.savez("data.npz", x_train=x, y_train=labels)
        train("cgan_mnist", "--data", "data.npz", *flags, "--out", f"run_{labels[0]}")
        assert ("Classes: 0 is" in capsys.readouterr().out) == said
