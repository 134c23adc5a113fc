"""Files from strangers: each is refused in one line, quickly, and nothing of it is run."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import hostile_files
import keras
import numpy as np
import pytest
from helpers import ROOT
from honest_files import DENSE, SHAPE, chain, honest, honest_weights, keras_file

import generate
import mnist_gan
from evaluation import data

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="makes pipes, and reads memory from /proc"
)
# What shows only when Keras builds the model; all others are refused without it.
BUILT = {
    "account_misfit", "far_node", "broken_weight_names", "circle", "group_as_weight",
    "keras_missing_weight", "keras_never_written", "keras_surplus_layer", "keras_surplus_weight",
    "keras_without_number",
    "misshapen", "missing_weight", "name_as_activation", "never_written",
    "no_image", "no_layers", "no_output", "nodes_of_text", "same_name_twice", "scalar",
    "unconnected", "unknown_setting",
}  # fmt: skip

# Before a file is opened, another process reads it, which takes a third of a second. Here it reads
# three: two that it alone finds out, and one of the others. Seconds are those of computing.
WATCH = r"""if True:
    import json, os, re, sys
    import generate
    from sampling import checks
    check_readable = checks.check_readable
    found = {}
    for name in sys.argv[1:]:
        checks.check_readable = lambda path, changed: None
        if name in ("endless", "keras_endless", "misshapen"):
            checks.check_readable = check_readable
        start = os.times()
        try:
            generate.main([f"{name}.h5", "--out", f"{name}.png"])
            status = 0
        except SystemExit as end:
            status = end.code
        peak = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1000
        seconds = sum(os.times()[:4]) - sum(start[:4])  # of this process and of those it started
        found[name] = status, seconds, peak, "keras" in sys.modules
    print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    hostile_files.write_all(folder)
    return folder


def give(folder, names):
    """Give files to generate.py, in one process.

    Returns {name: (line, seconds, MB, with Keras)}; the line is empty where an image was drawn.
    """
    before = set(os.listdir(folder))
    temporary = folder.with_name("temporary")
    temporary.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WATCH, *names]
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [*found] == names
    drawn = {name for name, (status, *_) in found.items() if status == 0}
    assert {status for status, *_ in found.values()} <= {0, 2}, found
    lines = dict.fromkeys(names, "")
    refused = [name for name in names if name not in drawn]
    said = done.stderr.splitlines()
    errors = [line for line in said if line.startswith("generate.py: error: ")]
    lines |= zip(refused, errors, strict=True)
    assert all(line.isprintable() for line in said)
    # of a file that opens though the bit that is turned hides its account of itself
    others = [line for line in said if line not in errors]
    assert all(line.startswith("generate.py: warning: ") for line in others)
    written = set(os.listdir(folder)) - before  # nothing was run
    assert written == {f"{name}.png" for name in drawn} and os.listdir(temporary) == []
    assert all(name in lines[name] for name in refused)  # the name of the file
    return {name: (lines[name], *found[name][1:]) for name in names}


@pytest.fixture(scope="module")
def opened(folder):
    """Give generate.py what may be opened by Keras."""
    return give(folder, [*sorted(BUILT), *hostile_files.FLIPPED])


def test_refused_without_keras(folder):
    """Within two seconds and 200 MB, although all are opened in one process."""
    names = [name for name in hostile_files.KINDS if name not in BUILT]
    assert len(hostile_files.KINDS) >= 130
    for name, (line, seconds, peak, started) in give(folder, names).items():
        assert line and not started, name
        limit = 4 if name.endswith("endless") else 2
        assert seconds < limit and peak < 200, (name, seconds, peak)
        assert len(line) < 300, line


def test_refused_by_keras(opened):
    first, *others = [opened[name] for name in sorted(BUILT)]
    assert all(line for line, *_ in (first, *others))
    assert first[1] < 16 and all(seconds < 8 for _, seconds, *_ in others)  # TensorFlow starts
    assert max(peak for *_, peak, _ in (first, *others)) < 1000


def test_flipped_bits_are_refused_or_drawn(opened):
    """A bit turned in a weight cannot be told from an honest weight."""
    drawn = [name for name in hostile_files.FLIPPED if not opened[name][0]]
    assert 0 < len(drawn) < len(hostile_files.FLIPPED)


def honest_pair(path):
    honest_weights(path.with_suffix(".hdf5"))
    path.write_text(json.dumps(chain(DENSE, SHAPE)))


def honest_file(path):
    honest(path).close()


@pytest.mark.parametrize(
    "write,ending", [(honest_file, "h5"), (keras_file, "keras"), (honest_pair, "json")]
)
def test_honest_files_open(tmp_path, write, ending):
    write(tmp_path / f"g.{ending}")
    generate.main([str(tmp_path / f"g.{ending}")])
    assert (tmp_path / "g_seed1.png").exists()


# ---- --data --------------------------------------------------------------------------------------


def npz(path, header, body=b""):
    """Write an .npz file whose x_train declares what `header` says."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        data = io.BytesIO()
        np.lib.format.write_array_header_1_0(data, {"fortran_order": False, **header})
        file.writestr("x_train.npy", data.getvalue() + body)


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("trapped",)


def object_array(path):
    np.savez(path, x_train=np.array([Trap()], object))


def huge_shape(path):
    npz(path, {"descr": "|u1", "shape": (10**12, 28, 28)}, bytes(100))


def negative_shape(path):
    npz(path, {"descr": "|u1", "shape": (-1, 28, 28)}, bytes(784))


def cut_short(path):
    npz(path, {"descr": "|u1", "shape": (100, 28, 28)}, bytes(784))


def huge_picture(path):
    """Write a PNG of a few bytes that says it has 50,000 x 50,000 pixels."""
    path.mkdir()
    keras.utils.save_img(path / "a.png", np.zeros((2, 2, 1)), scale=False)
    data = bytearray((path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 50_000, 50_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (path / "a.png").write_bytes(data)


def broken_picture(path):
    path.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (30, 28, 28, 1))
    for k, image in enumerate(noise):
        keras.utils.save_img(path / f"{k:02d}.png", image, scale=False)
    (path / "07.png").write_bytes((path / "07.png").read_bytes()[:400])


@pytest.mark.parametrize("write", [object_array, huge_shape, negative_shape, cut_short])
@pytest.mark.parametrize("load", ["train", "evaluate"])
def test_data_in_arrays(tmp_path, monkeypatch, write, load):
    monkeypatch.chdir(tmp_path)
    write(Path("x.npz"))
    refused_data("x.npz", load)
    assert os.listdir() == ["x.npz"]


@pytest.mark.parametrize("write,part", [(huge_picture, "a.png"), (broken_picture, "07.png")])
@pytest.mark.parametrize("load", ["train", "evaluate"])
def test_data_in_pictures(tmp_path, write, part, load):
    write(tmp_path / "data")
    assert part in refused_data(tmp_path / "data", load)


def refused_data(path, load):
    """Return the one line of text with which data are refused."""
    with pytest.raises((OSError, ValueError)) as error:
        if load == "train":
            mnist_gan.load_real_samples(path)
        else:
            data.load_real_images(path, (28, 28, 1))
    assert "give --data" in str(error.value)
    return str(error.value)
