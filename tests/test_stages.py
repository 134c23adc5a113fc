"""--show: the stages that the tutorials go through before they train."""

import importlib
import re
import shutil

import matplotlib.image
import numpy as np
import pytest
from test_models import COUNTS, SCRIPTS
from test_runs import DIGITS, OBJECTS, cells, grid_point, refused

SIDE = {"cifar10_gan": 7}


def show(name, stage, *arguments):
    script = importlib.import_module(name)
    data = OBJECTS if name == "cifar10_gan" else DIGITS
    needs_data = stage in ("data", "discriminator")
    arguments = [*arguments, *(("--data", data) if needs_data else ())]
    script.main(["--show", stage, "--out", "shown", *map(str, arguments)])
    return script


@pytest.mark.parametrize("name", SCRIPTS)
def test_data_and_untrained_grids(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = show(name, "data")
    height, width, channels = script.IMAGE_SHAPE
    side = 7 if channels == 3 else 5
    shown = cells(tmp_path / "shown/data_plot.png", height, width, margin=1, zoom=2)
    with np.load(OBJECTS if channels == 3 else DIGITS) as file:
        images = file["x_train"][: side * side].reshape(side, side, height, width, channels) / 255
    expected = images if channels == 3 else np.repeat(1 - images, 3, axis=-1)
    np.testing.assert_allclose(shown, expected, atol=0.01)

    show(name, "untrained")
    side = SIDE.get(name, 10)
    shown = cells(tmp_path / "shown/untrained_plot.png", height, width, margin=1, zoom=2)
    assert shown.shape[:2] == (side, side)
    # it shows the latent points of the later grids, drawn by a G with its initial weights
    script.keras.utils.set_random_seed(1)
    script.define_discriminator()
    g_model = script.define_generator()
    low, high = script.PIXEL_RANGE
    image = (g_model.predict(grid_point(script, 2, 4), verbose=0)[0] - low) / (high - low)
    expected = image if channels == 3 else np.repeat(1 - image, 3, axis=-1)
    np.testing.assert_allclose(shown[2, 4], expected, atol=0.01)


@pytest.mark.parametrize("name", SCRIPTS)
def test_summaries_and_diagrams(name, tmp_path, monkeypatch, capsys):
    if not shutil.which("dot"):
        pytest.fail("Graphviz is not installed: apt-get install graphviz")
    monkeypatch.chdir(tmp_path)
    show(name, "models")
    out, err = capsys.readouterr()
    totals = [int(n.replace(",", "")) for n in re.findall(r"Total params: ([\d,]+)", out)]
    trainable = [int(n.replace(",", "")) for n in re.findall(r"\bTrainable params: ([\d,]+)", out)]
    d, g, gan, gan_trainable = COUNTS[name]
    assert totals == [d, g, gan] and trainable[2] == gan_trainable and err == ""
    assert trainable[0] > 0
    for model in ("discriminator", "generator", "gan"):
        picture = matplotlib.image.imread(f"shown/{model}_plot.png")
        assert min(picture.shape[:2]) > 100 and picture[..., :3].std() > 0.1


def test_without_graphviz_the_summaries_come_with_a_line_of_advice(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    show("mnist_gan", "models")
    out, err = capsys.readouterr()
    assert out.count("Total params") == 3
    assert err.count("\n") == 1 and "apt-get install graphviz" in err


@pytest.mark.parametrize("name, within", [("mnist_gan", 50), ("cifar10_gan", 20)])
def test_discriminator_alone_soon_tells_random_pixels(name, within, tmp_path, monkeypatch, capsys):
    """As the tutorials report it: near 100% within 50 batches of digits, 20 of photographs."""
    monkeypatch.chdir(tmp_path)
    script = importlib.import_module(name)
    alone = script.train_discriminator  # for no longer than it takes
    monkeypatch.setattr(script, "train_discriminator", lambda *args: alone(*args, n_iter=within))
    show(name, "discriminator")
    lines = capsys.readouterr().out.splitlines()
    found = [re.fullmatch(r">(\d+) real=(\d+)% fake=(\d+)%", line) for line in lines]
    assert [int(m[1]) for m in found] == list(range(1, within + 1))
    rates = np.array([[int(m[2]), int(m[3])] for m in found])
    assert rates[-5:].mean() > 95
    assert rates[0].min() < 90  # it had to learn


@pytest.mark.parametrize("name", sorted({*SCRIPTS} - {"mnist_gan", "cifar10_gan"}))
def test_discriminator_alone_learns(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    show(name, "discriminator", "--batch-size", "32")
    first, *_, last = capsys.readouterr().out.splitlines()
    if name == "ebgan_mnist":
        energies = [re.fullmatch(r">\d+ real=([\d.]+) fake=([\d.]+)", x) for x in (first, last)]
        (before_real, _), (real, fake) = ([float(x) for x in m.groups()] for m in energies)
        assert real < 0.8 * before_real and real < 0.8 * fake
    else:
        assert re.fullmatch(r">1 real=\d+% fake=\d+%", first)
        assert last == ">100 real=100% fake=100%"


def test_a_run_is_not_touched_by_a_stage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown/settings.json").write_text("a run")
    show("cgan_mnist", "untrained")
    assert (tmp_path / "shown/settings.json").read_text() == "a run"
    (tmp_path / "file").write_text("")
    script = importlib.import_module("cgan_mnist")
    assert "--out" in refused(script, capsys, "--show", "untrained", "--out", "file/shown")
    assert "--batch-size" in refused(script, capsys, "--show", "discriminator", "--batch-size", 1)
