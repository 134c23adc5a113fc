"""From latent points to images: run the generator, and bring its pixels into [0, 1]."""

import numpy as np

from sampling.checks import GeneratorFileError, check_description
from sampling.files import find_inputs, image_shape, open_generator
from sampling.points import generate_latent_points, set_classes
from sampling.program import quiet_stderr

BATCH = 256  # images per call of the generator, so that memory does not grow with their number
N_LOOKED_AT = 256  # images from which the range of a stranger's pixels is told


def run_model(model, points, labels):
    """Return the generator's images (n, height, width, channels), unscaled, as float32.

    `points` (n, width) are latent points, `labels` (n,) classes. Raises GeneratorFileError where it
    does not run, or gives no finite numbers.
    """
    latent, label = find_inputs(model)
    feed = [None] * len(model.inputs)
    feed[latent] = points.reshape(-1, *model.inputs[latent].shape[1:])
    if label is not None:
        declared = model.inputs[label]
        feed[label] = labels.reshape(-1, *declared.shape[1:]).astype(declared.dtype)
    try:
        with quiet_stderr():
            # Not predict(): that prints progress and costs tens of milliseconds each time.
            output = model.predict_on_batch(feed if len(feed) > 1 else feed[0])
        output = output.astype(np.float32)
    except Exception as error:  # Keras has no common exception for a model that does not run
        message = f"the generator does not run here: {str(error)[:300]}"
        raise GeneratorFileError(message) from None
    if not np.isfinite(output).all():
        raise GeneratorFileError(
            "the generator gives no finite numbers: training diverged, take an earlier snapshot"
        )
    return output.reshape(-1, *image_shape(model.output_shape))


def draw_images(model, about, points, labels):
    """Yield batches of images (n, height, width, channels) in [0, 1].

    `about` describes the generator, its "pixel_range" included: see `settle_range`.
    """
    low, high = about["pixel_range"]
    for start in range(0, len(labels), BATCH):
        batch = slice(start, start + BATCH)
        images = run_model(model, points[batch], labels[batch])
        yield ((images - low) / (high - low)).clip(0, 1)


def open_to_draw(path, meaning, foreign, parts=None, pixel_range=None):
    """Open a generator and settle what its file does not say, for a program that draws with it.

    `meaning` is what evaluate.py found of it, a dict, `foreign` whether the file does not describe
    itself; `parts` and `pixel_range` are those of files.open_generator. Returns the model, its
    description, and lines for the user that say what was taken for granted. Raises
    GeneratorFileError.
    """
    model, about = open_generator(path, parts, pixel_range)
    about = check_description(path, about | meaning)
    lines = []
    if foreign and about["kind"] == "unconditional" and not parts:
        width = about["latent"][0]["size"]
        lines.append(
            f"all {width} numbers of the input are taken for noise: --latent says otherwise"
        )
    line = settle_range(model, about)
    if line:
        lines.append(line)
    return model, about, lines


def settle_range(model, about):
    """Decide what the pixels of a generator range over, where its file does not say.

    Sets about["pixel_range"] to (-1, 1) or (0, 1), and returns one line for the user that says so,
    or "" where the range was known. It looks at the images of the seeds 0 to 255. Of the generators
    tried, those trained on [-1, 1] had a hundredth of their pixels below -0.86 or lower, those
    trained on [0, 1], a last tanh notwithstanding, below -0.18 or higher.
    """
    if about["pixel_range"] is not None:
        return ""
    points = generate_latent_points(about["latent"], range(N_LOOKED_AT))
    labels = np.arange(N_LOOKED_AT) % max(about["classes"], 1)
    set_classes(points, labels, about)
    pixels = run_model(model, points, labels)
    low = -1 if np.quantile(pixels, 0.01) < -0.5 else 0
    about["pixel_range"] = (low, 1)
    line = f"the pixels are taken to range from {low} to 1"
    cut = np.mean((pixels < low - 0.01) | (pixels > 1.01))
    if cut > 0.001:
        line += f", {cut:.1%} of them lie outside ({pixels.min():.2g} to {pixels.max():.2g})"
        line += " and are cut off"
    return f"{line}: --range LOW,HIGH says otherwise"
