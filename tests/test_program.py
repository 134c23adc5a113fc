"""sampling/program.py: one line for the user, and files that are whole. Needs no TensorFlow."""

import os
import sys
from pathlib import Path

import pytest

from sampling import program


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        program.fail("a.py", "on two\nlines  and\tmore")
    program.warn("a.py", "so")
    captured = capsys.readouterr()
    assert captured.err == "a.py: error: on two lines and more\na.py: warning: so\n"
    assert captured.out == ""


def test_text_of_a_file_is_made_harmless():
    assert program.plain("\x1b[2J\0wei\u0308rd\n" + "x" * 99) == "[2Jwei\u0308rd" + "x" * 31
    assert program.plain(ValueError("no")) == "no"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has such a device")
@pytest.mark.parametrize("text", ["few", "much" * 99_999])
def test_a_full_standard_output(monkeypatch, capsys, text):
    """Whether it shows while the text is printed, or at the end."""
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit, match="1"):
            program.run("a.py", lambda: print(text))
    expected = "a.py: error: cannot print: No space left on device\n"
    assert capsys.readouterr().err == expected


def test_a_reader_that_has_gone(monkeypatch, capsys):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        with pytest.raises(SystemExit, match="1"):
            program.run("a.py", lambda: print("text"))
    assert capsys.readouterr().err == "a.py: error: cannot print: Broken pipe\n"


def test_ctrl_c(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        program.run("a.py", interrupted)
    assert capsys.readouterr().err == "a.py: warning: interrupted\n"


def test_nothing_is_in_the_way_of_a_run_that_succeeds(capsys):
    program.run("a.py", lambda: print("done"))
    assert capsys.readouterr() == ("done\n", "")
    with pytest.raises(SystemExit, match="2"):  # as it was
        program.run("a.py", lambda: program.fail("a.py", "no"))


def test_a_file_is_whole_or_as_it_was():
    path = Path("a.txt")
    path.write_text("before")
    with pytest.raises(OSError, match="full"):
        with program.replacing(path) as part:
            part.write_text("half")
            raise OSError("full")
    assert path.read_text() == "before" and os.listdir() == ["a.txt"]
    with program.replacing(path) as part:
        part.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after" and os.listdir() == ["a.txt"]


def test_quiet_start(capfd):
    """What TensorFlow's C++ says goes nowhere; Python's errors pass through."""
    with pytest.raises(ValueError, match="heard"), program.quiet_stderr():
        os.write(2, b"unheard\n")
        raise ValueError("heard")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_no_standard_output(monkeypatch, capsys):
    """As in `>&-`: whoever closes it wants nothing printed."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        program.run("a.py", lambda: print("done"))
    assert capsys.readouterr() == ("", "")
