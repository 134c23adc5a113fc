"""sampling/draw.py: what a generator is fed, and what its pixels range over."""

import keras
import numpy as np
import pytest
from generators import INFOGAN, draw, glass, in_tmp_path, inputs_of, stranger  # noqa: F401
from keras import layers

import generate
from sampling.checks import GeneratorFileError
from sampling.draw import draw_images, run_model, settle_range
from sampling.files import describe
from sampling.points import generate_latent_points

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr


def test_images_come_in_batches_and_do_not_depend_on_them():
    model = glass(100)
    points = np.random.default_rng(0).standard_normal((600, 100)).astype("float32")
    about = {"pixel_range": [-16, 16]}
    batches = [*draw_images(model, about, points, np.zeros(600, int))]
    assert [len(batch) for batch in batches] == [256, 256, 88]
    images = np.concatenate(batches)
    assert images.shape == (600, 28, 28, 1) and images.dtype == np.float32
    np.testing.assert_allclose(inputs_of(images)[:, :100], points, atol=1e-5)
    [alone] = draw_images(model, about, points[400:401], np.zeros(1, int))
    np.testing.assert_allclose(alone[0], images[400], atol=1e-6)


def test_the_label_is_fed():
    model = glass(100, 10)
    points = np.random.default_rng(0).standard_normal((20, 100)).astype("float32")
    labels = np.arange(20) % 10
    shown = run_model(model, points, labels).reshape(20, 784)
    np.testing.assert_allclose(shown[:, :100], points, atol=1e-6)
    np.testing.assert_allclose(shown[:, 100], labels, atol=1e-6)


def test_what_lies_outside_the_range_is_cut_off():
    model = glass(100)
    points = np.random.default_rng(0).standard_normal((20, 100)).astype("float32")
    [images] = draw_images(model, {"pixel_range": [-1, 1]}, points, np.zeros(20, int))
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_allclose(
        images.reshape(20, 784)[:, :100], (points.clip(-1, 1) + 1) / 2, atol=1e-6
    )


def test_a_generator_that_does_not_run():
    """Here the label is looked up in a table that is too small."""
    model = glass(100, 2)
    with pytest.raises(GeneratorFileError, match="does not run here"):
        run_model(model, np.zeros((1, 100), "float32"), np.array([5]))


def test_a_generator_that_gives_no_numbers():
    model = keras.Sequential([layers.Input((100,)), layers.Dense(784, "sigmoid")])
    model.layers[0].bias.assign(np.full(784, np.nan))
    with pytest.raises(GeneratorFileError, match="no finite numbers: training diverged"):
        run_model(model, np.zeros((1, 100), "float32"), np.zeros(1, int))


# ---- the range of a stranger's pixels ------------------------------------------------------------


def flat(low, share, activation=None):
    """Return a generator, 100 numbers to 28x28, of whose pixels a share is `low`, the rest 0.9."""
    values = np.full(784, 0.9)
    values[: round(share * 784)] = low
    if activation == "tanh":
        values = np.arctanh(values)
    model = keras.Sequential([layers.Input((100,)), layers.Dense(784, activation)])
    model.layers[0].set_weights([np.zeros((100, 784)), values])
    return model


@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize(
    "low,share,expected",
    [(-0.9, 0.05, -1), (-0.9, 0.005, 0), (-0.45, 0.9, 0), (0.1, 0.9, 0), (-0.55, 0.02, -1)],
)
def test_a_hundredth_of_the_pixels_decides(activation, low, share, expected):
    """Below -0.5 they range from -1, a last tanh or not."""
    model = flat(low, share, activation)
    about = describe(model)
    assert about["pixel_range"] is None
    line = settle_range(model, about)
    assert about["pixel_range"] == (expected, 1)
    cut = ""
    if low < expected:
        percent = 100 * round(share * 784) / 784
        cut = f", {percent:.1f}% of them lie outside ({low} to 0.9) and are cut off"
    assert line == (
        f"the pixels are taken to range from {expected} to 1{cut}: --range LOW,HIGH says otherwise"
    )


def test_nothing_is_decided_where_the_range_is_known():
    model = flat(-5, 0.5)
    about = describe(model) | {"pixel_range": (-8, 8)}
    assert settle_range(model, about) == "" and about["pixel_range"] == (-8, 8)
    assert describe(flat(0.1, 0.5, "sigmoid"))["pixel_range"] == (0, 1)


def test_all_classes_are_looked_at():
    """Of a generator of which one class alone is dark, a label or a category."""
    points = keras.Input((74,))
    label = keras.Input((1,), dtype="int32")
    dark = layers.Embedding(10, 784, name="dark")
    dark.build()
    dark.set_weights([-np.eye(10)[9][:, None].repeat(784, axis=1)])
    image = layers.Add()([layers.Flatten()(dark(label)), 0 * layers.Dense(784)(points)])
    model = keras.Model([points, label], image)
    about = describe(model)
    settle_range(model, about)
    assert about["pixel_range"] == (-1, 1)
    model = keras.Sequential([layers.Input((74,)), layers.Dense(784, use_bias=False)])
    kernel = np.zeros((74, 784))
    kernel[62 + 9] = -1
    model.layers[0].set_weights([kernel])
    about = INFOGAN | {"pixel_range": None}
    settle_range(model, about)
    assert about["pixel_range"] == (-1, 1)


def test_a_seed_has_one_range_whatever_is_drawn_with_it(capsys):
    """Real size; the seeds are such that each alone, or all together, would say otherwise."""
    model = stranger(100, scale=0.36)
    about = describe(model)
    drawn = model.predict(generate_latent_points(about["latent"], range(256)), verbose=0)
    darkness = np.quantile(drawn.reshape(256, 784), 0.01, axis=1)
    lightest, darkest = darkness.argmax(), darkness.argmin()
    assert darkness[darkest] < -0.5 < darkness[lightest]
    settle_range(model, about)
    low = about["pixel_range"][0]
    for seeds in ([lightest], [lightest, darkest], [darkest]):
        capsys.readouterr()
        images = draw("g.h5", "--seeds", ",".join(map(str, seeds)))["images"]
        lines = capsys.readouterr().err.splitlines()
        assert f"warning: the pixels are taken to range from {low} to 1" in lines[-1]
        expected = (drawn[seeds].clip(low, 1) - low) / (1 - low)
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_the_command_line_overrules(capsys):
    """Without a line then, and for a file that says its range, too."""
    model = stranger(100)
    points = generate_latent_points(describe(model)["latent"], [3])
    for pixel_range in ("0,1", "-4,4"):
        low, high = (float(end) for end in pixel_range.split(","))
        capsys.readouterr()
        images = draw("g.h5", "--seeds", 3, f"--range={pixel_range}")["images"]
        assert "range" not in capsys.readouterr().err
        expected = (points.clip(low, high) - low) / (high - low)
        np.testing.assert_allclose(images.reshape(1, 784)[:, :100], expected, atol=1e-5)
    glass(100)
    images = draw("g.h5", "--seeds", 3, "--range", "-1,1")["images"]
    expected = (points.clip(-1, 1) + 1) / 2
    np.testing.assert_allclose(images.reshape(1, 784)[:, :100], expected, atol=1e-5)
    assert capsys.readouterr().err == ""


def test_a_last_sigmoid_needs_no_line(capsys):
    stranger(100, activation="sigmoid")
    generate.main(["g.h5", "--latent", "noise:100"])
    assert capsys.readouterr().err == ""
