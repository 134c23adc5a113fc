"""generate.py --latent: what the input of a generator that says nothing of itself is made of."""

import numpy as np
import pytest
from generators import (  # noqa: F401
    INFOGAN,
    draw,
    error_of,
    glass,
    in_tmp_path,
    inputs_of,
    stranger,
)

from sampling.points import generate_latent_points

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # Keras's, which reach stderr

ALL_SEEN = ["--range", "-16,16"]  # so that the images show their input
INFO = ["--latent", "noise:62,category:10,codes:2", *ALL_SEEN]
WARNING = "generate.py: warning: "


def test_an_infogan(capsys):
    """M4's input, 62 + 10 + 2, as that of a file that describes itself."""
    stranger(74, name="a.h5")
    glass(74, name="b.h5", **INFOGAN)
    theirs = draw("a.h5", *INFO)
    assert capsys.readouterr().err == ""
    ours = draw("b.h5")
    assert theirs.keys() == ours.keys()
    for key, array in ours.items():
        np.testing.assert_array_equal(theirs[key], array)
    shown = inputs_of(theirs["images"])
    assert theirs["labels"].tolist() == [*range(10)] * 10
    np.testing.assert_allclose(shown[:, 62:72], np.tile(np.eye(10), (10, 1)), atol=1e-5)
    np.testing.assert_allclose(shown[:, 72:74], theirs["codes"], atol=1e-5)
    assert -1 <= theirs["codes"].min() < -0.7 and 0.7 < theirs["codes"].max() <= 1


def test_its_category_and_codes(capsys):
    stranger(74)
    arrays = draw("g.h5", *INFO, "--category", 3, "--code1", "-2:2:10", "--code2", 0.5)
    shown = inputs_of(arrays["images"])
    assert shown.shape == (10, 784)
    np.testing.assert_allclose(shown[:, 62:72], np.eye(10)[[3] * 10], atol=1e-5)
    expected = np.c_[np.linspace(-2, 2, 10), [0.5] * 10]
    np.testing.assert_allclose(shown[:, 72:74], expected, atol=1e-5)
    [noise] = generate_latent_points(INFOGAN["latent"], [1])[:, :62]
    np.testing.assert_allclose(shown[:, :62], np.tile(noise, (10, 1)), atol=1e-5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "width,parts,category",
    [
        (72, "noise:62,category:10", [*range(62, 72)]),  # M4, without codes
        (138, "noise:128,category:10", [*range(128, 138)]),  # the conditional GAN of keras.io
        (50, "category:10,codes:2,noise:38", [*range(10)]),  # as infogan_labelled.py has it
    ],
)
def test_other_orders(width, parts, category):
    stranger(width)
    arrays = draw("g.h5", "--latent", parts, *ALL_SEEN, "--category", "3,7", "--seeds", 5)
    shown = inputs_of(arrays["images"])
    np.testing.assert_allclose(shown[:, category], np.eye(10)[[3, 7]], atol=1e-5)
    others = [column for column in range(width) if column not in category]
    np.testing.assert_array_equal(shown[0, others], shown[1, others])
    assert shown[0, others].std() > 0.5


def test_one_unexplained_input_is_told_of(capsys):
    """All of it is taken for noise, which a line says; once it is explained, no line."""
    stranger(100)
    arrays = draw("g.h5", *ALL_SEEN, "--seeds", 3)
    err = capsys.readouterr().err
    assert err.startswith(f"{WARNING}all 100 numbers of the input are taken for noise: --latent")
    assert err.count("\n") == 1
    expected = generate_latent_points([{"size": 100, "distribution": "normal"}], [3])
    np.testing.assert_array_equal(arrays["latent"], expected)
    same = draw("g.h5", *ALL_SEEN, "--seeds", 3, "--latent", "noise:100")
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(same["images"], arrays["images"])


@pytest.mark.parametrize("flags", [["--labels", "3"], ["--category", "3"], ["--code1", "-2:2:3"]])
def test_classes_of_an_unexplained_input(capsys, flags):
    """Whether it has some nobody knows: never that this is no InfoGAN."""
    stranger(74)
    line = error_of(capsys, "g.h5", *flags)
    assert "--latent noise:62,category:10,codes:2" in line and "InfoGAN" not in line


@pytest.mark.parametrize(
    "n_labels,parts,part",
    [
        (0, "noise:62,category:10", "its parts have 72 numbers, the generator's input has 74"),
        (0, "noise:62,style:12", "is no list of parts such as"),
        (0, "noise:74,noise:0", "names a part twice"),
        (0, "noise:72,codes:2", "codes are an InfoGAN's, which has a category, too"),
        (2, "noise:64,category:10", "has an input of its own for the class"),
    ],
)
def test_parts_that_do_not_fit(capsys, n_labels, parts, part):
    stranger(74, n_labels)
    line = error_of(capsys, "g.h5", "--latent", parts)
    assert "--latent: " in line and part in line


def test_a_file_that_describes_itself(capsys):
    glass(74, **INFOGAN)
    assert "--latent: g.h5 says itself" in error_of(capsys, "g.h5", *INFO)


def test_two_inputs_need_no_explanation(capsys):
    stranger(100, 10)
    arrays = draw("g.h5", *ALL_SEEN)
    assert capsys.readouterr().err == ""
    assert arrays["labels"].tolist() == [*range(10)] * 10
    np.testing.assert_allclose(inputs_of(arrays["images"])[:, 100], arrays["labels"], atol=1e-4)


def test_labels_that_mean_nothing(capsys):
    """A file that says that there are no classes is believed: the flag is ignored, as ever."""
    glass(4)
    draw("g.h5", "--labels", 3)
    expected = f"{WARNING}--labels is ignored: this generator has no classes\n"
    assert capsys.readouterr().err == expected
