"""Pictures of many images, as generate.py and evaluate.py write them: sheets and animations.

Images are float32 (n, height, width, channels) in [0, 1], with 1 or 3 channels; grey ones are drawn
dark on white, as in the tutorials.
"""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw

from generator_files import replacing


def tile(images, rows, cols):
    """Lay images (n, h, w, c) in [0, 1] out on a white sheet, row by row, enlarged to be seen.

    Returns (height, width, c); pixels are repeated a whole number of times, so edges stay sharp.
    """
    h, w, c = images.shape[1:]
    scale = max(1, min(10, 900 // (max(rows, cols) * max(h, w))))
    h, w, gap = h * scale, w * scale, 2
    white = 0.0 if c == 1 else 1.0  # grey sheets are inverted when they are drawn
    sheet = np.full((rows * (h + gap) + gap, cols * (w + gap) + gap, c), white, np.float32)
    for i, image in enumerate(images[: rows * cols]):
        top, left = gap + i // cols * (h + gap), gap + i % cols * (w + gap)
        sheet[top : top + h, left : left + w] = image.repeat(scale, 0).repeat(scale, 1)
    return sheet


def picture(sheet, title=""):
    """Return a sheet (h, w, c) in [0, 1] as a picture of Pillow, the title above it."""
    sheet = 1 - sheet[..., 0] if sheet.shape[2] == 1 else sheet
    top = [(20 if title else 0, 0), (0, 0), (0, 0)][: sheet.ndim]
    image = Image.fromarray(np.rint(np.pad(sheet, top, constant_values=1) * 255).astype(np.uint8))
    ImageDraw.Draw(image).text((6, 4), title, fill=0)
    return image


def as_png(sheet):
    """Return a sheet (h, w, c) in [0, 1] as the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture(sheet).save(buffer, "png")
    return buffer.getvalue()


def as_url(png):
    """Return the bytes of a PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def save_picture(path, sheet):
    """Write a sheet (h, w, c) in [0, 1] as a PNG."""
    with replacing(path) as part:
        part.write_bytes(as_png(sheet))


def save_animation(path, frames, duration):
    """Write frames, each a sheet (h, w, c) in [0, 1] and a title above it, as a GIF that loops.

    A frame is shown for `duration` milliseconds.
    """
    first, *others = [picture(*frame) for frame in frames]
    with replacing(path) as part:
        first.save(part, "gif", save_all=True, append_images=others, duration=duration, loop=0)
