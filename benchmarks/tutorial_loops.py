"""The batch of each tutorial's loop, around the models of this project's scripts.

As published, a batch draws with NumPy, generates fakes with `predict`, and updates with
`train_on_batch`: D by itself, G by the composite, in which D's BatchNormalization looks at the
batch and moves its running averages. `predict` is told not to print; nothing else had to change,
since these composites move G alone without D being frozen.

The losses of infogan_mnist.py (which has the paper's continuous codes), of infogan_labelled.py
(written for TensorFlow 1, without Keras' loops) and of ebgan_mnist.py (a paper) are put together in
models of their own, for `train_on_batch` to take. In infogan_labelled.py's tutorial G is in
training mode where it draws D's fakes. `predict` has no such mode, so there G is called.
"""

import common
import keras
import numpy as np


def draw_real(images, labels, n):
    """Draw n real images and their labels, with replacement."""
    ix = np.random.randint(0, len(images), n)
    return images[ix], labels[ix]


def draw_images(images, n):
    """Draw n real images, with replacement."""
    return images[np.random.randint(0, len(images), n)]


def mnist_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    half = n // 2

    def batch():
        X_real = draw_images(images, half)
        X_fake = g_model.predict(np.random.randn(half, latent_dim), verbose=0)
        X = np.vstack([X_real, X_fake])
        y = np.vstack([np.ones((half, 1)), np.zeros((half, 1))])
        d_model.train_on_batch(X, y)
        gan_model.train_on_batch(np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def update_in_turn(g_model, d_model, gan_model, images, n_real, n, latent_dim):
    """Update D on n_real real images, then on as many fakes; G on n points."""

    def batch():
        X_real = draw_images(images, n_real)
        d_model.train_on_batch(X_real, np.ones((n_real, 1)))
        X_fake = g_model.predict(np.random.randn(n_real, latent_dim), verbose=0)
        d_model.train_on_batch(X_fake, np.zeros((n_real, 1)))
        gan_model.train_on_batch(np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def cifar10_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    return update_in_turn(g_model, d_model, gan_model, images, n // 2, n, latent_dim)


def cgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    def batch():
        X_real, y_real = draw_real(images, labels, n)
        noise = np.random.randn(n, latent_dim)
        X_fake = g_model.predict([noise, y_real], verbose=0)
        d_model.train_on_batch([X_real, y_real], np.ones((n, 1)))
        d_model.train_on_batch([X_fake, y_real], np.zeros((n, 1)))
        new_labels = np.random.randint(0, 10, n).reshape(-1, 1)
        gan_model.train_on_batch([noise, new_labels], np.ones((n, 1)))

    return batch


def acgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    half = n // 2

    def latent_points(n):
        return np.random.randn(n, latent_dim), np.random.randint(0, 10, n).reshape(-1, 1)

    def batch():
        X_real, y_real = draw_real(images, labels, half)
        d_model.train_on_batch(X_real, [np.ones((half, 1)), y_real])
        noise, y_fake = latent_points(half)
        X_fake = g_model.predict([noise, y_fake], verbose=0)
        d_model.train_on_batch(X_fake, [np.zeros((half, 1)), y_fake])
        noise, y_gan = latent_points(n)
        gan_model.train_on_batch([noise, y_gan], [np.ones((n, 1)), y_gan])

    return batch


def infogan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    dq_model = gan_model.get_layer("d_and_q")
    real = keras.Input(images.shape[1:])
    fake = keras.Input(images.shape[1:])
    p_real, _, _ = dq_model(real)
    both = keras.Model([real, fake], [p_real, *dq_model(fake)])
    bce = "binary_crossentropy"
    losses = [bce, bce, "categorical_crossentropy", "mean_squared_error"]
    both.compile(loss=losses, optimizer=d_model.optimizer)

    def latent_points():
        category = np.eye(10)[np.random.randint(0, 10, n)]
        codes = np.random.uniform(-1, 1, (n, 2))
        points = np.hstack([np.random.randn(n, latent_dim), category, codes])
        return points, category, codes

    def batch():
        X_real = draw_images(images, n)
        points, category, codes = latent_points()
        X_fake = g_model.predict(points, verbose=0)
        both.train_on_batch([X_real, X_fake], [np.ones((n, 1)), np.zeros((n, 1)), category, codes])
        points, category, codes = latent_points()
        gan_model.train_on_batch(points, [np.ones((n, 1)), category, codes])

    return batch


def ebgan_mnist(g_model, d_model, gan_model, images, labels, n, latent_dim):
    margin = 10.0  # the script's defaults
    pt_weight = 0.1

    def energy_loss(is_real, energy):  # twice the mean over both halves: the sum of their means
        hinge = keras.ops.maximum(0.0, margin - energy)
        return 2 * keras.ops.mean(is_real * energy + (1 - is_real) * hinge)

    def mean_energy(_, energy):
        return keras.ops.mean(energy)

    def pulling_away(_, code):
        code = code / keras.ops.norm(code, axis=1, keepdims=True)
        cosines2 = keras.ops.square(keras.ops.matmul(code, keras.ops.transpose(code)))
        return (keras.ops.sum(cosines2) - keras.ops.trace(cosines2)) / (n * (n - 1))

    d_model.compile(loss=[energy_loss, None], optimizer=d_model.optimizer)
    losses = [mean_energy, pulling_away]
    gan_model.compile(loss=losses, loss_weights=[1.0, pt_weight], optimizer=gan_model.optimizer)
    is_real = np.vstack([np.ones((n, 1)), np.zeros((n, 1))])
    unused = np.zeros((n, 1))  # where a loss has no target
    both_unused = np.zeros((2 * n, 1))

    def batch():
        X_real = draw_images(images, n)
        X_fake = g_model.predict(np.random.randn(n, latent_dim), verbose=0)
        d_model.train_on_batch(np.vstack([X_real, X_fake]), [is_real, both_unused])
        gan_model.train_on_batch(np.random.randn(n, latent_dim), [unused, unused])

    return batch


def mlp_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    y = np.vstack([np.full((n, 1), 0.9), np.zeros((n, 1))])

    def batch():
        X_real = draw_images(images, n)
        X_fake = g_model.predict(np.random.randn(n, latent_dim), verbose=0)
        d_model.train_on_batch(np.vstack([X_real, X_fake]), y)
        gan_model.train_on_batch(np.random.randn(n, latent_dim), np.ones((n, 1)))

    return batch


def colour_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    return update_in_turn(g_model, d_model, gan_model, images, n, n, latent_dim)


def infogan_labelled(g_model, d_model, gan_model, images, labels, n, latent_dim):
    real = keras.Input(images.shape[1:])
    fake = keras.Input(images.shape[1:])
    p_real, class_real, _ = d_model(real)
    both = keras.Model([real, fake], [p_real, class_real, *d_model(fake)])
    bce = "binary_crossentropy"
    ce = "categorical_crossentropy"
    losses = [bce, ce, bce, ce, "mean_squared_error"]
    both.compile(loss=losses, loss_weights=[0.5, 0.5, 0.5, 0.5, 1], optimizer=d_model.optimizer)
    one_hot = np.eye(10)
    ones = np.ones((n, 1))
    zeros = np.zeros((n, 1))

    def latent_points(category):
        codes = np.random.randn(n, 2)
        return np.hstack([category, codes, np.random.randn(n, latent_dim)]), codes

    def batch():
        X_real, y_real = draw_real(images, labels, n)
        category = one_hot[y_real[:, 0]]
        points, codes = latent_points(category)
        X_fake = np.asarray(g_model(points, training=True))
        y = [ones, category, zeros, category, codes]
        both.train_on_batch([X_real, X_fake], y)
        points, codes = latent_points(category)
        gan_model.train_on_batch(points, [ones, category, codes])

    return batch


def faces_gan(g_model, d_model, gan_model, images, labels, n, latent_dim):
    return update_in_turn(g_model, d_model, gan_model, images, n // 2, n, latent_dim)


def make_loop(script, given):
    """Return a function batch() that trains one batch of the tutorial's loop.

    The arguments are what `common.build` returns.
    """
    images, labels = common.images_and_labels(given["dataset"])
    low, high = script.PIXEL_RANGE
    images = low + (high - low) / 255.0 * images.astype("float32")  # all at once, as the tutorials
    if labels is not None:
        labels = labels.reshape(-1, 1)
    models = given["g_model"], given["d_model"], given["gan_model"]
    make = globals()[script.__name__]
    return make(*models, images, labels, given["n_batch"], given["latent_dim"])
