"""Files that hold no model, weights that are not there or lead elsewhere, accounts that are false.

`KINDS` has a function for each kind: it writes one file of it to a path.
"""

import os

import h5py
import numpy as np
from honest_files import honest

# ---- what is no file of a model at all -----------------------------------------------------------


def empty(path):
    path.touch()


def text(path):
    path.write_text("import os\nos.system('touch ran')\n")


def picture(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


def old_pickle(path):
    path.write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")


def pickle(path):
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.")


def web_page(path):
    path.write_text("\n<!DOCTYPE html>\n<html><script>touch ran</script></html>")


def pointer_to_large_file(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")


def gzip(path):
    path.write_bytes(b"\x1f\x8b\x08" + bytes(100))


def fifo(path):
    os.mkfifo(path)


def dangling_path(path):
    path.symlink_to("nowhere.h5")


def device(path):
    path.symlink_to("/dev/zero")


def signature_only(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))


def cut(share):
    """Return a kind: a file of which only a share is there."""

    def write(path):
        honest(path).close()
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write


def no_attributes(path):
    with honest(path) as file:
        for name in list(file.attrs):
            del file.attrs[name]


def weights_only(path):
    with honest(path) as file:
        del file.attrs["model_config"]


def endless(path):
    """One bit turned in the table of texts: the HDF5 library reads it for ever."""
    honest(path).close()
    data = bytearray(path.read_bytes())
    place = data.index(b"GCOL") + 16  # the first object: its number, its size, and what it holds
    while True:
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        after = place + 16 + (size + 7) // 8 * 8
        if not data[after]:  # it is the last one
            break
        place = after
    data[place + 8] ^= 16
    path.write_bytes(data)


NO_MODELS = {
    write.__name__: write
    for write in (
        empty, text, picture, old_pickle, pickle, web_page, pointer_to_large_file, gzip, fifo,
        dangling_path, device, signature_only, no_attributes, weights_only, endless,
    )
}  # fmt: skip
NO_MODELS |= {f"truncated_{k}": cut(k / 10) for k in range(1, 10)}

# ---- its account of itself -----------------------------------------------------------------------


def account(**about):
    """Return a kind: a file that says this of itself."""

    def write(path):
        honest(path, about=about).close()

    return write


def attribute(name, value):
    """Return a kind: a file with this attribute."""

    def write(path):
        with honest(path) as file:
            file.attrs[name] = value

    return write


HUGE = {"name": "noise", "size": 10**9, "distribution": "one-hot"}
NORMAL = HUGE | {"distribution": "normal"}
GRID = {"size": [10, 10], "noise": "cell"}
ACCOUNTS = {
    "account_no_json": attribute("gan", "{"),
    "account_number": attribute("gan", 1.0),
    "account_deep": attribute("gan", "[" * 20_000),
    "account_of_a_later_format": account(format=2),
    "account_classes": account(kind="conditional", classes=10**9),
    "account_categories": account(kind="infogan", classes=10**9, latent=[HUGE]),
    "account_latent": account(latent=[NORMAL]),
    "account_negative": account(latent=[NORMAL | {"size": -4}]),
    "account_range": account(pixel_range=[0, 1e999]),
    "account_kind": account(kind="\x1b[2J" * 20),
    "account_misfit": account(latent=[NORMAL | {"size": 9}]),
    "account_grid": account(grid=GRID | {"size": [10**9, 10**9]}),
    "account_sheet": account(grid=GRID | {"sheet": [10**9, 10**9]}),
    "model_no_json": attribute("model_config", "{"),
    "model_number": attribute("model_config", "7"),
    "model_list": attribute("model_config", "[]"),
    "model_deep": attribute("model_config", '{"a":' * 20_000),
}

# ---- weights that are not there, or elsewhere ----------------------------------------------------


def kernel_of(file):
    """Take the kernel out of an honest file; return its group, for another in its place."""
    group = file["model_weights/dense/dense"]
    del group["kernel"]
    return group


def soft_link(path):
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.SoftLink("/model_weights/dense/dense/bias")


def soft_link_to_itself(path):
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.SoftLink("/model_weights/dense/dense/kernel")


def external_link(path):
    with h5py.File(path.with_suffix(".other"), "w") as other:
        other["kernel"] = np.ones((4, 64), "f4")
    with honest(path) as file:
        kernel_of(file)["kernel"] = h5py.ExternalLink(f"{path.stem}.other", "/kernel")


def hard_link_that_loops(path):
    with honest(path) as file:
        file["model_weights/dense/again"] = file["model_weights"]


def second_hard_link(path):
    with honest(path) as file:
        file["model_weights/dense/dense/twice"] = file["model_weights/dense/dense/kernel"]


def external_storage(path):
    raw = path.with_suffix(".raw")
    raw.write_bytes(bytes(4 * 64 * 4))
    with honest(path) as file:
        where = [(str(raw), 0, 4 * 64 * 4)]
        kernel_of(file).create_dataset("kernel", (4, 64), "f4", external=where)


def virtual_storage(path):
    layout = h5py.VirtualLayout((4, 64), "f4")
    layout[:] = h5py.VirtualSource(str(path.with_suffix(".other")), "kernel", (4, 64))
    with honest(path) as file:
        kernel_of(file).create_virtual_dataset("kernel", layout)


def compressed_bomb(path):
    with honest(path) as file:
        shape = (4, 64, 10**7)
        kernel_of(file).create_dataset("kernel", shape, "f4", compression="gzip", fillvalue=1)


def one_side_of_nothing(path):
    with honest(path) as file:
        kernel_of(file).create_dataset("kernel", (0, 2**40, 2**20), "f4", maxshape=(None,) * 3)


def never_written(path):
    with honest(path) as file:
        kernel_of(file).create_dataset("kernel", (4, 64), "f4")


def kernel(array):
    """Return a kind: a file with this array in place of the kernel."""

    def write(path):
        with honest(path) as file:
            kernel_of(file)["kernel"] = array

    return write


def group_as_weight(path):
    with honest(path) as file:
        kernel_of(file).create_group("kernel")


def missing_weight(path):
    with honest(path) as file:
        kernel_of(file)


def missing_layer(path):
    with honest(path) as file:
        del file["model_weights/dense"]


def broken_weight_names(path):
    with honest(path) as file:
        file["model_weights/dense"].attrs["weight_names"] = ["../dense", "/"]


FALSE_WEIGHTS = {
    write.__name__: write
    for write in (
        soft_link, soft_link_to_itself, external_link, hard_link_that_loops, second_hard_link,
        external_storage, virtual_storage, compressed_bomb, one_side_of_nothing, never_written,
        group_as_weight, missing_weight, missing_layer, broken_weight_names,
    )
}  # fmt: skip
FALSE_WEIGHTS |= {
    "not_a_number": kernel(np.full((4, 64), np.nan, "f4")),
    "infinite": kernel(np.full((4, 64), np.inf, "f4")),
    "texts_as_weights": kernel(np.full((4, 64), b"x" * 8)),
    "misshapen": kernel(np.ones((4, 63), "f4")),
    "scalar": kernel(np.float32(1)),
}

KINDS = NO_MODELS | ACCOUNTS | FALSE_WEIGHTS
