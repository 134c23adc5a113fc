"""How a program speaks to its user, and writes its files: in one line, and whole or not at all."""

import contextlib
import os
import sys


def fail(program, message):
    """End `program` with one line on stderr and exit status 2."""
    print(f"{program}: error: {' '.join(str(message).split())}", file=sys.stderr)
    raise SystemExit(2)


def warn(program, message):
    """Print one line on stderr and go on."""
    print(f"{program}: warning: {message}", file=sys.stderr)


def run(program, main):
    """Call `main()`; end in one line where standard output cannot take what is printed.

    The status is 1 then, for the files are written before they are named. Ctrl-C ends with 130.
    """
    try:
        main()
        if sys.stdout is not None:  # as it is where standard output was closed (>&-)
            sys.stdout.flush()
    except KeyboardInterrupt:
        warn(program, "interrupted")
        raise SystemExit(130) from None
    except OSError as error:
        # What is still to be printed must not be tried again when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        print(f"{program}: error: cannot print: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None


def plain(text):
    """Return a text out of a file without control characters, at most 40 characters of it."""
    return "".join(c for c in str(text) if c.isprintable())[:40]


@contextlib.contextmanager
def quiet_stderr():
    """Silence TensorFlow's C++ start-up notes; Python exceptions pass through.

    Since 2.19 TensorFlow prints some of them whatever TF_CPP_MIN_LOG_LEVEL says (tensorflow issue
    100442), so file descriptor 2 itself is turned away for the moment.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextlib.contextmanager
def replacing(path):
    """Yield a name beside `path` to write to; rename it to `path` once that has succeeded."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
