"""The tutorials' own lines, typed after `from SCRIPT import *`, as a reader would type them."""

import importlib
import inspect
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import COLOUR, LABELLED, SCRIPTS, learned, losses_of, moved, values

from sampling import files

N_BATCH = 8
DEFINE = """
latent_dim = 100
d_model = define_discriminator()
g_model = define_generator(latent_dim)
gan_model = define_gan(g_model, d_model)
dataset = load_real_samples()
"""
DEFINE_INFOGAN = """
n_cat = 10
n_cont = 2
latent_dim = 62
d_model, q_model = define_discriminator(n_cat, n_cont)
gen_input_size = latent_dim + n_cat + n_cont
g_model = define_generator(gen_input_size)
gan_model = define_gan(g_model, d_model, q_model)
dataset = load_real_samples()
"""
CODES = {"infogan_mnist": "n_cat, n_cont"}
N_ARGUMENTS = {  # of the functions of M1 and M2, by their names there
    "define_discriminator": ["in_shape"],
    "define_generator": ["latent_dim"],
    "define_gan": ["g_model", "d_model"],
    "load_real_samples": [],
    "generate_real_samples": ["dataset", "n_samples"],
    "generate_latent_points": ["latent_dim", "n_samples"],
    "generate_fake_samples": ["g_model", "latent_dim", "n_samples"],
    "save_plot": ["examples", "epoch", "n"],
    "summarize_performance": [
        *("epoch", "g_model", "d_model", "dataset", "latent_dim", "n_samples"),
    ],
    "train": [
        *("g_model", "d_model", "gan_model", "dataset", "latent_dim", "n_epochs", "n_batch"),
    ],
}


@pytest.fixture
def type_lines(tmp_path, monkeypatch):
    """Return a function that types lines after `from NAME import *`, in an empty folder.

    Keras, and a file, have two small batches of random images. What the lines define is kept.
    """
    monkeypatch.chdir(tmp_path)
    defined = {}

    def type_lines(name, lines):
        if not defined:
            script = importlib.import_module(name)
            n = 2 * N_BATCH
            rng = np.random.default_rng(5)
            images = rng.integers(0, 256, (n, *script.IMAGE_SHAPE), dtype=np.uint8)
            labels = np.arange(n) % 10
            if name not in COLOUR:
                images = images[..., 0]  # as MNIST has them
            for data in (keras.datasets.mnist, keras.datasets.cifar10):
                monkeypatch.setattr(data, "load_data", lambda: ((images, labels), (images, labels)))
            np.savez("faces.npz", images)
            if name == "faces_gan":  # 100 images of 80x80 take seconds
                monkeypatch.setattr(script.summarize_performance, "__defaults__", (10, None))
            exec(f"from {name} import *", defined)
        exec(lines, defined)
        return defined

    return type_lines


def define(name):
    """Return the tutorial's last lines but for the very last one."""
    if name == "faces_gan":  # whose data no library has
        return DEFINE.replace("load_real_samples()", "load_real_samples('faces.npz')")
    return DEFINE_INFOGAN if name in CODES else DEFINE


def with_codes(name, text):
    """Give a call the numbers of codes, where a script's functions take them."""
    return text.replace("latent_dim", f"latent_dim, {CODES[name]}") if name in CODES else text


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_tutorials_last_lines_train_and_save(name, type_lines, monkeypatch, eagerly):
    """One short epoch in place of the default's many; then a second training beside the first."""
    script = importlib.import_module(name)
    parameters = inspect.signature(script.train).parameters
    defaults = tuple(p.default for p in parameters.values() if p.default is not p.empty)
    assert defaults == (script.DEFAULTS["epochs"], script.DEFAULTS["batch_size"], None)
    monkeypatch.setattr(script.train, "__defaults__", (1, N_BATCH, None))
    defined = type_lines(name, define(name))
    d_weights = learned(defined["d_model"])
    g_weights = learned(defined["g_model"])
    before = values(d_weights), values(g_weights)
    last = "train(g_model, d_model, gan_model, dataset, latent_dim)"
    type_lines(name, with_codes(name, last))
    assert all(moved(before[0], d_weights)) and all(moved(before[1], g_weights))
    out = Path("runs", name)
    assert len(losses_of(out)) == 2
    about = files.read_description(out / "generator_model_001.h5")
    assert about["settings"]["batch_size"] == N_BATCH

    more = last.replace(")", f", n_epochs=2, n_batch={2 * N_BATCH})")
    type_lines(name, with_codes(name, more))
    second = Path("runs", f"{name}_2")
    assert len(losses_of(second)) == 2  # not a batch fewer, though the models are trained
    settings = json.loads((second / "settings.json").read_text())
    assert (settings["epochs"], settings["batch_size"]) == (2, 2 * N_BATCH)
    assert len(losses_of(out)) == 2  # the first run is as it was


@pytest.mark.parametrize("name", SCRIPTS)
def test_without_a_run_pictures_and_generators_go_into_the_current_folder(name, type_lines):
    """As in the tutorials; and each time of new points."""
    defined = type_lines(name, define(name))
    line = "summarize_performance(0, g_model, d_model, dataset, latent_dim)"
    grids = []
    for _ in range(2):
        type_lines(name, with_codes(name, line))
        grids.append(Path("generated_plot_e001.png").read_bytes())
    assert grids[0] != grids[1]
    assert not Path("runs").exists()
    model, about = files.open_generator("generator_model_001.h5")
    assert (about["epoch"], about["seed"]) == (1, None)
    assert all(map(np.array_equal, model.get_weights(), defined["g_model"].get_weights()))
    images = np.full((100, *defined["IMAGE_SHAPE"]), defined["PIXEL_RANGE"][1])
    defined["save_plot"](images, 4)
    assert Path("generated_plot_e005.png").exists()


def test_the_sampling_lines_of_the_tutorial(type_lines):
    """`generate_latent_points(100, 25)`, and the loaded generator's `predict` on them."""
    type_lines("mnist_gan", define("mnist_gan"))
    type_lines("mnist_gan", "summarize_performance(0, g_model, d_model, dataset, latent_dim)")
    lines = """
from keras.models import load_model
model = load_model("generator_model_001.h5")
latent_points = generate_latent_points(100, 25)
X = model.predict(latent_points)
save_plot(X, 0, 5)
"""
    X = type_lines("mnist_gan", lines)["X"]
    assert X.shape == (25, 28, 28, 1) and 0 <= X.min() < X.max() <= 1
    assert len(np.unique(X[:, 14, 14, 0])) == 25  # as many points


# ---- the plain loop ------------------------------------------------------------------------------

STACKED = (
    """
X_real, y_real = generate_real_samples(dataset, 8)
X_fake, y_fake = generate_fake_samples(g_model, latent_dim, 8)
X, y = np.vstack((X_real, X_fake)), np.vstack((y_real, y_fake))
d_loss, _ = d_model.train_on_batch(X, y)
""",
    """
X_gan = generate_latent_points(latent_dim, 16)
g_loss = gan_model.train_on_batch(X_gan, np.ones((16, 1)))
""",
)
SEPARATE = (
    """
X_real, y_real = generate_real_samples(dataset, 8)
d_loss1, _ = d_model.train_on_batch(X_real, y_real)
X_fake, y_fake = generate_fake_samples(g_model, latent_dim, 8)
d_loss2, _ = d_model.train_on_batch(X_fake, y_fake)
""",
    STACKED[1],
)
CONDITIONAL = (
    """
[imgs, labels], valid = generate_real_samples(dataset, 8)
noise, sampled_labels = generate_latent_points(latent_dim, 8)
gen_imgs = g_model.predict([noise, labels])
d_loss_real = d_model.train_on_batch([imgs, labels], valid)
d_loss_fake = d_model.train_on_batch([gen_imgs, labels], np.zeros((8, 1)))
""",
    """
g_loss = gan_model.train_on_batch([noise, sampled_labels], valid)
""",
)
CLASSIFIER = (
    """
[X_real, labels_real], y_real = generate_real_samples(dataset, 8)
_, d_r1, d_r2 = d_model.train_on_batch(X_real, [y_real, labels_real])
[X_fake, labels_fake], y_fake = generate_fake_samples(g_model, latent_dim, 8)
_, d_f, d_f2 = d_model.train_on_batch(X_fake, [y_fake, labels_fake])
""",
    """
z_input, z_labels = generate_latent_points(latent_dim, 16)
_, g_1, g_2 = gan_model.train_on_batch([z_input, z_labels], [np.ones((16, 1)), z_labels])
assert g_1 != g_2
""",
)
INFORMATION = (
    """
X_real, y_real = generate_real_samples(dataset, 8)
d_loss1 = d_model.train_on_batch(X_real, y_real)
X_fake, y_fake = generate_fake_samples(g_model, latent_dim, n_cat, n_cont, 8)
d_loss2 = d_model.train_on_batch(X_fake, y_fake)
""",
    """
z_input, cat_codes, cont_codes = generate_latent_points(latent_dim, n_cat, n_cont, 16)
y_gan = np.ones((16, 1))
_, g_1, g_2, g_3 = gan_model.train_on_batch(z_input, [y_gan, cat_codes, cont_codes])
assert g_1 != g_2 != g_3
""",
)
LOOPS = {  # of the scripts whose losses compile() can say: D's update, and the composite's
    "mnist_gan": STACKED,
    "cifar10_gan": SEPARATE,
    "cgan_mnist": CONDITIONAL,
    "acgan_mnist": CLASSIFIER,
    "infogan_mnist": INFORMATION,
    "mlp_gan": STACKED,
    "colour_gan": SEPARATE,
    "faces_gan": SEPARATE,
}


@pytest.mark.parametrize("name", LOOPS)
def test_the_plain_loop_trains_d_in_its_update_and_g_in_the_composites(name, type_lines):
    """Nothing is frozen and thawed. Twice, for Keras traces a training at its first batch."""
    defined = type_lines(name, define(name))
    d_weights, g_weights = learned(defined["d_model"]), learned(defined["g_model"])
    q_weights = [w for w in learned(defined["gan_model"]) if w.path.startswith("q_")]
    for _ in range(2):
        d_before, g_before = values(d_weights), values(g_weights)
        type_lines(name, LOOPS[name][0])
        assert all(moved(d_before, d_weights)) and not any(moved(g_before, g_weights))
        d_before, q_before = values(d_weights), values(q_weights)
        type_lines(name, LOOPS[name][1])
        assert all(moved(g_before, g_weights)) and not any(moved(d_before, d_weights))
        assert all(moved(q_before, q_weights))


# ---- calls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mnist_gan", "cifar10_gan"])
def test_functions_take_the_tutorials_arguments_in_its_order(name):
    """What these scripts take beside them comes after, and can be left out."""
    script = importlib.import_module(name)
    for function, names in N_ARGUMENTS.items():
        parameters = inspect.signature(getattr(script, function)).parameters
        assert list(parameters)[: len(names)] == names, function
        ours = list(parameters.values())[len(names) :]
        assert {p.name for p in ours} <= {"path", "seed", "out", "run"}, function
        assert all(p.default is not p.empty for p in ours), function


@pytest.mark.parametrize("name", SCRIPTS)
def test_numbers_in_signatures_are_the_scripts_defaults(name):
    script = importlib.import_module(name)
    defaults = {}
    for function in N_ARGUMENTS:
        for parameter in inspect.signature(getattr(script, function)).parameters.values():
            defaults[function, parameter.name] = parameter.default
    assert defaults["define_discriminator", "in_shape"] == script.IMAGE_SHAPE
    assert defaults["train", "n_epochs"] == script.DEFAULTS["epochs"]
    assert defaults["train", "n_batch"] == script.DEFAULTS["batch_size"]
    assert defaults["save_plot", "n"] == (7 if name == "cifar10_gan" else 10)
    n_samples = {"cifar10_gan": 150, "infogan_labelled": 1000}.get(name, 100)
    assert defaults["summarize_performance", "n_samples"] == n_samples


@pytest.mark.parametrize("name", SCRIPTS)
def test_samplers_take_seeds_bytes_and_scaled_floats(name, type_lines):
    """Without a seed they draw anew; images that are floats, and so scaled, stay as they are."""
    script = importlib.import_module(name)
    dataset = type_lines(name, define(name))["dataset"]
    images = dataset[0] if name in LABELLED else dataset
    low, high = script.PIXEL_RANGE
    scaled = (low + (high - low) * (images / 255)).astype("float32")
    as_floats = [scaled, *dataset[1:]] if name in LABELLED else scaled

    def draw(data, seed=None):
        X, _ = script.generate_real_samples(data, 6, seed)
        return np.array(X[0] if name in LABELLED else X)

    assert np.array_equal(draw(dataset, (1, 2)), draw(dataset, (1, 2)))
    assert not np.array_equal(draw(dataset), draw(dataset))
    np.testing.assert_allclose(draw(as_floats, (1, 2)), draw(dataset, (1, 2)), atol=1e-6)
    assert draw(dataset).min() < low + 0.1 and draw(dataset).max() > high - 0.1


def test_pixels_out_of_range_are_refused_before_anything_is_written(type_lines):
    defined = type_lines("mnist_gan", define("mnist_gan"))
    defined["dataset"] = defined["dataset"].astype("float32")  # 0 to 255
    with pytest.raises(ValueError, match="scaled"):
        type_lines("mnist_gan", "train(g_model, d_model, gan_model, dataset, latent_dim)")
    assert not Path("runs").exists()


def test_a_snapshot_without_a_run_opens_in_plain_keras(type_lines):
    type_lines("cgan_mnist", define("cgan_mnist"))
    type_lines("cgan_mnist", "summarize_performance(0, g_model, d_model, dataset, latent_dim)")
    model = keras.models.load_model("generator_model_001.h5")
    image = model.predict([np.zeros((1, 100)), np.zeros((1, 1))], verbose=0)
    assert image.shape == (1, 28, 28, 1)
    with h5py.File("generator_model_001.h5") as file:
        assert json.loads(file.attrs["gan"])["classes"] == 10
