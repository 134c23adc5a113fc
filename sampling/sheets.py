"""From images to files: sheets of images, animations, folders, arrays.

Images are float32 (n, height, width, channels) in [0, 1], with 1 or 3 channels; grey ones are drawn
dark on white, as in the tutorials.
"""

import base64
import contextlib
import io
import re
import zipfile

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from sampling.program import replacing


def tile(images, rows, cols):
    """Lay images (n, h, w, c) in [0, 1] out on a white sheet, row by row, enlarged to be seen.

    Returns (height, width, c); pixels are repeated a whole number of times, so edges stay sharp.
    """
    height, width, channels = images.shape[1:]
    scale = max(1, min(10, 900 // (rows * height), 1800 // (cols * width)))
    height *= scale
    width *= scale
    gap = 2
    white = 0.0 if channels == 1 else 1.0  # grey sheets are inverted when they are drawn
    size = (rows * (height + gap) + gap, cols * (width + gap) + gap, channels)
    sheet = np.full(size, white, np.float32)
    for k, image in enumerate(images[: rows * cols]):
        row, col = divmod(k, cols)
        top = gap + row * (height + gap)
        left = gap + col * (width + gap)
        enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[top : top + height, left : left + width] = enlarged
    return sheet


def picture(sheet, title=""):
    """Return a sheet (h, w, c) in [0, 1] as a picture of Pillow, the title above it."""
    if sheet.shape[2] == 1:
        sheet = 1 - sheet[..., 0]
    if title:
        above = [(20, 0)] + [(0, 0)] * (sheet.ndim - 1)
        sheet = np.pad(sheet, above, constant_values=1)
    image = Image.fromarray(np.rint(sheet * 255).astype(np.uint8))
    ImageDraw.Draw(image).text((6, 4), title, fill=0)
    return image


def as_png(image, text=None):
    """Return a sheet (h, w, c) in [0, 1], or a picture of Pillow, as the bytes of a PNG file.

    `text` is a dict of what the file is to say of itself.
    """
    if isinstance(image, np.ndarray):
        image = picture(image)
    notes = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        notes.add_itxt(key, value)
    buffer = io.BytesIO()
    image.save(buffer, "png", pnginfo=notes)
    return buffer.getvalue()


def as_url(png):
    """Return the bytes of a PNG file as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def save_picture(path, sheet, text):
    """Write a sheet (h, w, c) in [0, 1] as a PNG, with a dict of texts in it."""
    with replacing(path) as part:
        part.write_bytes(as_png(sheet, text))


def save_animation(path, frames, duration):
    """Write frames, each a sheet (h, w, c) in [0, 1] and a title above it, as a GIF that loops.

    A frame is shown for `duration` milliseconds.
    """
    first, *others = [picture(sheet, title) for sheet, title in frames]
    with replacing(path) as part:
        first.save(part, "gif", save_all=True, append_images=others, duration=duration, loop=0)


def class_folders(classes, names):
    """Return the names of the sub-folders of --images, one a class; ["."] without classes.

    They are the names of the classes if these are usable. Names come out of a file and may be
    anything, such as "../x": then each folder has its class's number and what is harmless of the
    name. Without names the numbers have one length, so that sorting them sorts the classes.
    """
    if not classes:
        return ["."]
    digits = len(str(classes - 1))
    numbers = [f"{k:0{digits}d}" for k in range(classes)]
    if not names:
        return numbers
    harmless = [re.sub(r"[^\w .()+-]", "_", name)[:60].strip(" .") for name in names]
    different = {name.casefold() for name in harmless}  # on any file system
    if all(names) and harmless == names and len(different) == len(names):
        return names
    return [f"{number}_{name}" for number, name in zip(numbers, harmless, strict=True)]


def save_images(folder, images, subfolders, counts, texts):
    """Write images (n, h, w, c) in [0, 1] as 8-bit PNG files with the pixels the generator gave.

    `subfolders` and `texts` say of each where it goes and what the file says of itself. `counts` is
    a Counter of the files written so far, by sub-folder.
    """
    for image, name, text in zip(images, subfolders, texts, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        path = folder / name / f"image_{counts[name]:05d}.png"
        pixels = np.rint(image * 255).astype(np.uint8)
        path.write_bytes(as_png(Image.fromarray(np.squeeze(pixels)), text))
        counts[name] += 1


@contextlib.contextmanager
def npz_writer(path, shape, arrays):
    """Write an .npz file batch by batch, where np.savez would need all images at once.

    Yields an open file that takes the bytes of the images, float32 of `shape` (n, h, w, c). The
    dict `arrays`, which may be filled meanwhile, holds what follows them.
    """
    header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:  # may exceed 2 GiB
            np.lib.format.write_array_header_1_0(file, header)
            yield file
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)
