"""The batch of each tutorial's loop, changed only so far that it runs and trains on current Keras.

As published, a batch draws with NumPy, generates fakes with `predict`, and updates with
`train_on_batch`. Three things had to change. Keras 3 looks at `trainable` when a training function
is first traced, so D is thawed before its own update and frozen again before the composite's; as
the tutorials do, its BatchNormalization is left thawed. `predict` is told not to print. And losses
of several outputs are found by name.

The losses of infogan_mnist.py (which has the paper's continuous codes) and of ebgan_mnist.py (a
paper) are put together in models of their own, for `train_on_batch` to take.
"""

import keras
import numpy as np
from keras import layers


def train_d(d_model, X, y, model=None):
    """Update D, by the model that holds its losses where that is another one."""
    d_model.trainable = True
    return (model or d_model).train_on_batch(X, y)


def train_g(gan_model, d_model, X, y):
    """Update G through the composite."""
    for layer in d_model.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
    return gan_model.train_on_batch(X, y)


def draw_real(images, labels, n):
    """Draw n real images and their labels, with replacement."""
    ix = np.random.randint(0, len(images), n)
    return images[ix], None if labels is None else labels[ix]


def mnist_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    half = n // 2

    def batch():
        X_real, _ = draw_real(images, labels, half)
        X_fake = g_model.predict(np.random.randn(half, latent_dim), verbose=0)
        X, y = np.vstack([X_real, X_fake]), np.vstack([np.ones((half, 1)), np.zeros((half, 1))])
        train_d(d_model, X, y)
        train_g(gan_model, d_model, np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def cifar10_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    half = n // 2

    def batch():
        X_real, _ = draw_real(images, labels, half)
        train_d(d_model, X_real, np.ones((half, 1)))
        X_fake = g_model.predict(np.random.randn(half, latent_dim), verbose=0)
        train_d(d_model, X_fake, np.zeros((half, 1)))
        train_g(gan_model, d_model, np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def cgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    def batch():
        X_real, y_real = draw_real(images, labels, n)
        noise = np.random.randn(n, latent_dim)
        X_fake = g_model.predict([noise, y_real], verbose=0)
        train_d(d_model, [X_real, y_real], np.ones((n, 1)))
        train_d(d_model, [X_fake, y_real], np.zeros((n, 1)))
        new_labels = np.random.randint(0, 10, n).reshape(-1, 1)
        train_g(gan_model, d_model, [noise, new_labels], np.ones((n, 1)))

    return batch


def acgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    half = n // 2

    def latent_points(n):
        return np.random.randn(n, latent_dim), np.random.randint(0, 10, n).reshape(-1, 1)

    def batch():
        X_real, y_real = draw_real(images, labels, half)
        train_d(d_model, X_real, {"valid": np.ones((half, 1)), "class": y_real})
        noise, y_fake = latent_points(half)
        X_fake = g_model.predict([noise, y_fake], verbose=0)
        train_d(d_model, X_fake, {"valid": np.zeros((half, 1)), "class": y_fake})
        noise, y_gan = latent_points(n)
        train_g(gan_model, d_model, [noise, y_gan], {"valid": np.ones((n, 1)), "class": y_gan})

    return batch


def infogan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    dq_model = gan_model.get_layer("d_and_q")
    real, fake = keras.Input(images.shape[1:]), keras.Input(images.shape[1:])
    outputs = dq_model(fake)
    outputs |= {"on_real": dq_model(real)["real"]}
    both = keras.Model([real, fake], outputs)
    bce = "binary_crossentropy"
    losses = {"on_real": bce, "real": bce, "category": "categorical_crossentropy", "codes": "mse"}
    both.compile(loss=losses, optimizer=d_model.optimizer)

    def latent_points():
        category = np.eye(10)[np.random.randint(0, 10, n)]
        codes = np.random.uniform(-1, 1, (n, 2))
        points = np.hstack([np.random.randn(n, latent_dim), category, codes])
        return points, {"category": category, "codes": codes}

    def batch():
        X_real, _ = draw_real(images, labels, n)
        points, codes = latent_points()
        X_fake = g_model.predict(points, verbose=0)
        y = {"on_real": np.ones((n, 1)), "real": np.zeros((n, 1)), **codes}
        dq_model.trainable = True
        train_d(d_model, [X_real, X_fake], y, both)
        points, codes = latent_points()
        train_g(gan_model, d_model, points, {"real": np.ones((n, 1)), **codes})

    return batch


def ebgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    margin, pt_weight = 10.0, 0.1  # the script's defaults

    def energy_loss(is_real, energy):  # twice the mean over both halves: the sum of their means
        hinge = keras.ops.maximum(0.0, margin - energy)
        return 2 * keras.ops.mean(is_real * energy + (1 - is_real) * hinge)

    def pulling_away(_, code):
        code = code / keras.ops.norm(code, axis=1, keepdims=True)
        cosines2 = keras.ops.square(keras.ops.matmul(code, keras.ops.transpose(code)))
        return (keras.ops.sum(cosines2) - keras.ops.trace(cosines2)) / (n * (n - 1))

    d_model.compile(loss={"energy": energy_loss, "code": None}, optimizer=d_model.optimizer)
    gan_model.compile(
        loss={"energy": lambda _, energy: keras.ops.mean(energy), "code": pulling_away},
        loss_weights={"energy": 1.0, "code": pt_weight},
        optimizer=gan_model.optimizer,
    )
    is_real = np.vstack([np.ones((n, 1)), np.zeros((n, 1))])
    unused = {"energy": np.zeros((n, 1)), "code": np.zeros((n, 1))}

    def batch():
        X_real, _ = draw_real(images, labels, n)
        X_fake = g_model.predict(np.random.randn(n, latent_dim), verbose=0)
        train_d(d_model, np.vstack([X_real, X_fake]), {"energy": is_real})
        train_g(gan_model, d_model, np.random.randn(n, latent_dim), unused)

    return batch


def mlp_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    y = np.vstack([np.full((n, 1), 0.9), np.zeros((n, 1))])

    def batch():
        X_real, _ = draw_real(images, labels, n)
        X_fake = g_model.predict(np.random.randn(n, latent_dim), verbose=0)
        train_d(d_model, np.vstack([X_real, X_fake]), y)
        train_g(gan_model, d_model, np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def make_loop(script, g_model, d_model, gan_model, dataset, settings):
    """Return a function batch() that trains one batch of the tutorial's loop.

    The arguments are what `common.build` returns.
    """
    images, labels = dataset if isinstance(dataset, list) else (dataset, None)
    ranges = script.PIXEL_RANGE  # of mnist_gan.py a dict, by G's activation
    low, high = ranges[settings.output] if isinstance(ranges, dict) else ranges
    images = low + (high - low) / 255.0 * images.astype("float32")  # all at once, as the tutorials
    labels = None if labels is None else labels.reshape(-1, 1)
    make = globals()[script.__name__]
    n, latent_dim = settings.batch_size, settings.latent_dim
    return make(g_model, d_model, gan_model, images, labels, n, latent_dim)
