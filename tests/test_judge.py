"""The real images that an evaluation goes by, and the judges of them that are kept."""

import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import ROOT

from evaluation import data, judge

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(1).integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = np.arange(40, dtype=np.uint8) % 4


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def load(shape=SHAPE, **arrays):
    """Return the RealImages of an .npz file that holds these arrays."""
    np.savez("x.npz", **arrays)
    return data.load_real_images("x.npz", shape)


# ---- the real images -----------------------------------------------------------------------------


def test_a_test_part_is_used_as_it_is():
    real = load(x_train=IMAGES[:30], y_train=LABELS[:30], x_test=IMAGES[30:], y_test=LABELS[30:])
    np.testing.assert_array_equal(real.x_train[..., 0], IMAGES[:30])
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[30:])
    np.testing.assert_array_equal(real.y_test, LABELS[30:])
    assert (real.name, real.names) == ("x.npz", ["0", "1", "2", "3"])


def test_without_a_test_part_every_tenth_image_is_held_out():
    real = load(x_train=IMAGES[..., None], y_train=np.array([*"dbca"])[LABELS])
    np.testing.assert_array_equal(real.x_test[..., 0], IMAGES[9::10])
    np.testing.assert_array_equal(real.x_train[..., 0], np.delete(IMAGES, range(9, 40, 10), 0))
    assert real.names == [*"abcd"]
    assert [real.names[k] for k in real.y_test] == ["dbca"[k] for k in LABELS[9::10]]
    assert len(real.y_train) == 36


@pytest.mark.parametrize(
    "y_test", [LABELS[30:] + 1, LABELS[31:], []], ids=["unknown", "too few", "none"]
)
def test_a_test_part_whose_labels_do_not_fit_is_left_out(y_test):
    real = load(x_train=IMAGES[:30], y_train=LABELS[:30], x_test=IMAGES[30:], y_test=y_test)
    assert (len(real.x_train), len(real.x_test)) == (27, 3)
    np.testing.assert_array_equal(real.y_test, LABELS[9:30:10])


@pytest.mark.parametrize(
    "y_train",
    [np.zeros(30, int), LABELS[:29], np.eye(4)[LABELS[:30]], np.array(3)],
    ids=["all the same", "too few", "one-hot", "a number"],
)
def test_labels_that_are_none_are_left_out(y_train):
    real = load(x_train=IMAGES[:30], y_train=y_train, x_test=IMAGES[30:], y_test=LABELS[30:])
    assert (real.y_train, real.y_test, real.names) == (None, None, [])
    assert (len(real.x_train), len(real.x_test)) == (30, 10)


def test_labels_may_stand_in_a_column():
    real = load(x_train=IMAGES, y_train=LABELS[:, None])
    assert real.names == ["0", "1", "2", "3"] and real.y_train.shape == (36,)


def test_pictures_in_a_folder_are_of_its_class_and_fitted():
    for k in range(20):
        path = Path("pictures", "ab"[k % 2], f"{k:02d}.PNG")
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, np.full((30, 40, 3), 12.0 * k), scale=False)
    Path("pictures/notes.txt").write_text("no picture")
    real = data.load_real_images("pictures", SHAPE)
    shades = np.concatenate([real.x_train, real.x_test]).mean(axis=(1, 2, 3))
    assert sorted(shades) == [12 * k for k in range(20)]
    assert real.names == ["a", "b"] and real.name == "pictures"
    np.testing.assert_array_equal(real.x_train.mean(axis=(1, 2, 3)) / 12 % 2, real.y_train)
    assert data.load_real_images("pictures", (8, 10, 3)).x_train.shape == (18, 8, 10, 3)


@pytest.mark.parametrize(
    "x_train",
    [
        IMAGES[:19],
        IMAGES[:1],
        IMAGES.astype(np.float32),
        IMAGES[:, :27],
        IMAGES[..., None, None],
        np.uint8(3),
        np.zeros((0, 28, 28), np.uint8),
    ],
    ids=["19", "1", "floats", "27 rows", "5 axes", "a number", "none"],
)
def test_images_that_do_not_fit_are_refused(x_train):
    with pytest.raises(ValueError, match="^x.npz: .*at least 20 uint8 images of .28, 28, 1.$"):
        load(x_train=x_train)


def test_as_few_images_as_twenty_leave_are_enough():
    assert len(load(x_train=IMAGES[:20]).x_train) == 18
    assert len(load(x_train=IMAGES[:18], x_test=IMAGES[30:]).x_train) == 18
    with pytest.raises(ValueError, match="at least 20"):
        load(x_train=IMAGES[:17], x_test=IMAGES[30:])


def test_what_cannot_be_read_is_named(monkeypatch):
    np.save("x.npy", IMAGES)
    np.savez("other.npz", images=IMAGES)
    Path("empty").mkdir()
    monkeypatch.setattr(data, "DATASETS", {})
    for path in ("x.npy", "other.npz", "missing.npz", "empty"):
        with pytest.raises(ValueError, match=f"^{path}: .*give --data"):
            data.load_real_images(path, SHAPE)
    with pytest.raises(ValueError, match="^keras.datasets: .*give --data"):
        data.load_real_images(None, SHAPE)


# ---- the judges that are kept --------------------------------------------------------------------


def copy_of_judge(old, new):
    """Return evaluation/judge.py as a module in which a text was replaced."""
    text = (ROOT / "evaluation/judge.py").read_text()
    assert old in text
    path = Path("judge_copy.py")
    path.write_text(text.replace(old, new))
    spec = importlib.util.spec_from_file_location("copy_of_judge", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SEED = "    keras.utils.set_random_seed(1)\n"


@pytest.mark.parametrize(
    "old,new,same",
    [
        (SEED, f"    # Why.\n\n{SEED}", True),
        ("def find_judge(data):\n", "def find_judge(data):\n    print()\n", True),
        (SEED, SEED.replace("1", "2"), False),
        ("EPOCHS = {1: 4", "EPOCHS = {1: 5", False),
        ("momentum=0.9", "momentum=0.8", False),
        ("np.rot90(x, k)", "np.rot90(x, -k)", False),
    ],
    ids=["comment", "elsewhere", "seed", "epochs", "layer", "turn"],
)
def test_a_judge_is_named_by_the_code_that_makes_it(old, new, same):
    real = load(x_train=IMAGES, y_train=LABELS)
    assert (judge.judge_name(real) == copy_of_judge(old, new).judge_name(real)) == same


def test_a_judge_is_named_by_the_data():
    real = load(x_train=IMAGES, y_train=LABELS)
    names = {judge.judge_name(real)}
    for key in ("x_train", "y_train", "x_test", "y_test"):
        other = getattr(real, key).copy()
        other[0] ^= 1
        names.add(judge.judge_name(real._replace(**{key: other})))
    names.add(judge.judge_name(real._replace(y_train=None, y_test=None)))
    assert len(names) == 6
    assert judge.judge_name(real) == judge.judge_name(load(x_train=IMAGES, y_train=LABELS))


def untrained_judge(data):
    """Stand in for the training, which test_evaluate.py tests."""
    return judge.define_judge(SHAPE, 4, mirror=False), 0.25


def test_a_judge_is_trained_once_and_kept(monkeypatch, capsys):
    monkeypatch.setattr(judge, "train_judge", untrained_judge)
    real = load(x_train=IMAGES, y_train=LABELS)
    first, accuracy = judge.find_judge(real)
    again, same = judge.find_judge(real)
    assert accuracy == same == 0.25
    assert capsys.readouterr().out.count("Training a judge") == 1
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_judge_that_is_damaged_or_cannot_be_kept_gets_one_line(monkeypatch):
    monkeypatch.setattr(judge, "train_judge", untrained_judge)
    real = load(x_train=IMAGES, y_train=LABELS)
    judge.find_judge(real)
    (path,) = Path("keras/judges").glob("*.keras")
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(ValueError, match=f"{path.stem}.keras is damaged .*{path.stem}.txt"):
        judge.find_judge(real)
    path.with_suffix(".txt").unlink()  # as it says
    judge.find_judge(real)
    Path("file").write_text("")
    monkeypatch.setenv("KERAS_HOME", "file")
    with pytest.raises(ValueError, match="file/judges.*KERAS_HOME"):
        judge.find_judge(real)
