"""Train with a mistake that learners make, to see how its losses and pictures look.

    python tools/mistakes.py mnist_gan.py frozen --epochs 2     D never learns
    python tools/mistakes.py mnist_gan.py range --epochs 2      real pixels stay 0 to 255
    python tools/mistakes.py cifar10_gan.py rate --epochs 2    D learns ten times as fast
    python tools/mistakes.py cgan_mnist.py labels --epochs 2    real images have each other's labels

Any training script will do, and its own flags follow the mistake. The run goes into
runs/<script>_<mistake>/ unless --out says otherwise; docs/training.md shows some such runs. The
script stays as it is: it is imported, and one of its functions replaced.
"""

from pathlib import Path

import numpy as np
from stages import parse_arguments


def freeze_d(script):
    """Keep D as it was initialised, as the tutorials' code does on Keras 3.

    They compile D, freeze it and compile the composite; Keras 3 looks at `trainable` only when D is
    first trained, and finds it frozen.
    """
    make_train_step = script.make_train_step

    def make(g_model, d_model, *others):
        d_model.optimizer.apply = lambda gradients, weights: None
        return make_train_step(g_model, d_model, *others)

    script.make_train_step = make


def speed_d_up(script):
    """Let D take steps ten times as long."""
    make_train_step = script.make_train_step

    def make(g_model, d_model, *others):
        d_model.optimizer.learning_rate = 10 * d_model.optimizer.learning_rate
        return make_train_step(g_model, d_model, *others)

    script.make_train_step = make


def leave_pixels_unscaled(script):
    """Leave real images at 0 to 255, while G draws them in [0, 1] or [-1, 1]."""
    generate_real_samples, tf = script.generate_real_samples, script.tf

    def generate(*args, **kwargs):
        X, y = generate_real_samples(*args, **kwargs)
        images, *labels = X if isinstance(X, list) else [X]
        low = tf.where(tf.reduce_min(images) < 0, -1.0, 0.0)
        images = (images - low) * 255 / (1 - low)
        return [images, *labels] if labels else images, y

    script.generate_real_samples = generate


def shuffle_labels(script):
    """Give real images each other's labels."""
    load_real_samples = script.load_real_samples

    def load(path=None):
        loaded = load_real_samples(path)
        if not isinstance(loaded, tuple):
            raise OSError(f"{script.__name__}.py reads no labels that could be mixed up")
        images, labels, names = loaded
        return images, np.random.default_rng(1).permutation(labels), names

    script.load_real_samples = load


MISTAKES = {
    "frozen": freeze_d,
    "range": leave_pixels_unscaled,
    "rate": speed_d_up,
    "labels": shuffle_labels,
}


def main(argv=None):
    what, default = "what is done wrong", "runs/<script>_<mistake>"
    script, mistake, out, flags = parse_arguments(
        argv, "mistakes.py", __doc__, "mistake", MISTAKES, what, default
    )
    MISTAKES[mistake](script)
    script.main([*flags, "--out", str(out or Path("runs", f"{script.__name__}_{mistake}"))])


if __name__ == "__main__":
    main()
