"""faces_gan.py: pictures of any size, and --augment."""

import importlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from helpers import prepare, step, values

import generate


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("faces_gan")


def test_it_trains_at_another_size_on_pictures_and_its_generator_draws(tmp_path, monkeypatch):
    """From a folder of wide pictures with transparency to a picture of 48x48 images."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    for k in range(6):
        PIL.Image.new("RGBA", (90 + k, 60), (40 * k, 0, 0, 128)).save(tmp_path / f"own/{k}.png")
    flags = "--size 48 --augment --batch-size 4 --epochs 1 --steps-per-epoch 1 --out run"
    importlib.import_module("faces_gan").main(["--data", "own", *flags.split()])
    generate.main(["run", "--seeds", "1-4", "--npz", "a.npz"])
    with np.load("a.npz") as file:
        images = file["images"]
    assert images.shape == (4, 48, 48, 3) and images.std() > 0


@pytest.mark.parametrize("size", [32, 256])
def test_only_the_first_layers_depend_on_the_size(size, script):
    d_model = script.define_discriminator((size, size, 3))
    g_model = script.define_generator(100, size)
    assert g_model.output_shape == (None, size, size, 3)
    usual = script.define_generator(100)
    shapes = [[w.shape for w in model.weights] for model in (g_model, usual)]
    assert shapes[0][2:] == shapes[1][2:] and shapes[0][0] == (100, 128 * (size // 16) ** 2)
    assert d_model.layers[-3].output.shape == (None, 128 * (size // 16) ** 2)


@pytest.mark.parametrize(
    "flags, said", [([], "--data PATH is needed"), (["--data", "x", "--size", "50"], "--size")]
)
def test_what_it_needs(flags, said, script, capsys):
    with pytest.raises(SystemExit) as error:
        script.main(flags)
    lines = capsys.readouterr().err.splitlines()
    assert error.value.code == 2 and len(lines) == 1 and said in lines[0]


def test_the_tutorial_s_networks(script):
    """Its size is the default; the sums are those of its layers."""
    assert script.define_discriminator().count_params() == 1_651_841
    assert script.define_generator(100).count_params() == 1_381_891


# ---- --augment -----------------------------------------------------------------------------------


def augmented(script, images, seed=1):
    return script.augment(tf.constant(images, tf.float32), (seed, 0)).numpy()


def test_each_image_is_changed_in_its_own_way(script):
    """A shift of up to an eighth, a hole of half the sides, and one change of all colours."""
    n, size = 64, 32
    plain = np.full((n, size, size, 3), 0.3)
    changed = augmented(script, plain)
    empty = (changed == 0).all(axis=3)
    levels = []
    for image, nothing in zip(changed, empty, strict=True):
        (level,) = np.unique(image[~nothing].round(5))  # what is left is of one colour still
        levels.append(level)
    assert np.ptp(levels) > 0.8 and min(levels) >= -0.2001 and max(levels) <= 0.8001
    rows, columns = empty.all(axis=2).sum(1), empty.all(axis=1).sum(1)  # wholly outside
    assert rows.max() <= size // 8 and columns.max() <= size // 8 and rows.any() and columns.any()
    assert empty.mean(axis=(1, 2)).max() <= 0.25 + 2 / 8
    assert len({nothing.tobytes() for nothing in empty}) > 50
    np.testing.assert_array_equal(changed, augmented(script, plain))
    assert not np.array_equal(changed, augmented(script, plain, seed=2))


def test_colours_and_contrast_change_about_their_mean(script):
    rng = np.random.default_rng(1)
    image = rng.uniform(-0.4, 0.4, (1, 32, 32, 3))
    for seed in range(5):
        (changed,) = augmented(script, image, seed)
        part = changed[(changed != 0).all(axis=2)]
        spread = part.mean(axis=1).std() / image.mean(axis=3).std()
        assert 0.4 < spread < 1.6  # of the greys: the contrast
        colourful = (part - part.mean(axis=1, keepdims=True)).std()
        assert colourful < 2 * 1.5 * (image - image.mean(axis=3, keepdims=True)).std() + 0.01


def test_shift_moves_by_whole_pixels(script):
    images = np.arange(1.0, 13).reshape(1, 3, 4, 1).repeat(2, axis=0)
    by = tf.constant([1.0, -2.0])[:, None, None, None]
    down = script.shift(tf.constant(images), by, 1)[..., 0].numpy()
    np.testing.assert_array_equal(down[0], [[0] * 4, [1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(down[1], [[9, 10, 11, 12], [0] * 4, [0] * 4])
    right = script.shift(tf.constant(images), by, 2)[..., 0].numpy()
    np.testing.assert_array_equal(right[0], [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11]])


def test_d_sees_all_images_changed_and_g_learns_through_it(eagerly, monkeypatch):
    script, handed = prepare("faces_gan", "--batch-size", 4, "--augment")
    seen = []
    augment = script.augment

    def note(images, seed):
        changed = augment(images, seed)
        seen.append((images, changed))
        return changed

    monkeypatch.setattr(script, "augment", note)
    shown = []
    d_model = handed["d_model"]
    call = d_model.call
    monkeypatch.setattr(d_model, "call", lambda x, *a, **k: shown.append(x) or call(x, *a, **k))
    g_weights = handed["g_model"].trainable_weights
    before = values(g_weights)
    assert np.isfinite(step(script, handed)(0, 1)).all()
    assert len(seen) == len(shown) == 3  # real, fake, and in G's update
    for (_, changed), x in zip(seen, shown, strict=True):
        np.testing.assert_array_equal(changed, x)
    assert all(not np.array_equal(a, b) for a, b in zip(before, values(g_weights), strict=True))


def test_without_the_flag_nothing_is_changed(eagerly, monkeypatch):
    script, handed = prepare("faces_gan", "--batch-size", 4)
    monkeypatch.delattr(script, "augment")
    assert np.isfinite(step(script, handed)(0, 1)).all()
