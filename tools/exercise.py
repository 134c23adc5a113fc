"""Train a script with a change: an exercise of its tutorial, or a mistake that learners make.

    python tools/exercise.py mnist_gan.py                       list what there is for this script
    python tools/exercise.py mnist_gan.py nearest --epochs 2    G enlarges in another way
    python tools/exercise.py mnist_gan.py nearest --resume      go on after Ctrl-C
    python tools/exercise.py mnist_gan.py frozen --epochs 2     D is never trained

A change is a file, exercises/<script>/<name>.diff, which says in its first lines what to look for.
It is printed, applied by git to a copy of the script, and the copy trained with the flags that
follow, which are the script's own. The run goes into runs/<script>_<name>/ unless --out says
otherwise. It and its snapshots bear that name, and the script without the change does not go on
with it. To change the script itself: git apply exercises/mnist_gan/nearest.diff
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from training_scripts import import_script

EXERCISES = Path(__file__).resolve().parent.parent / "exercises"


def find_diffs(script):
    """Return {name: path} of the exercises of a script; raise ValueError where it has none."""
    if not script.is_file():
        raise ValueError(f"{script}: no such file")
    diffs = {path.stem: path for path in sorted(EXERCISES.glob(f"{script.stem}/*.diff"))}
    if not diffs:
        names = sorted(folder.name for folder in EXERCISES.iterdir())
        raise ValueError(f"{script} has no exercises; these have: {', '.join(names)}")
    return diffs


def show_list(diffs):
    """Print the names of exercises, each with the first line of its explanation."""
    width = max(len(name) for name in diffs) + 2
    for name, path in diffs.items():
        first, _, _ = path.read_text().partition("\n")
        print(f"{name:{width}}{first}")


def change(script, diff, folder):
    """Write a copy of a script into a folder, changed by a diff and named so; return its path.

    All are paths. Raises ValueError where git is missing or the diff does not fit the script.
    """
    text = diff.read_text()
    place = re.search(r"^--- a/(.+)$", text, re.MULTILINE).group(1)
    folder = Path(folder).resolve()
    copy = folder / place
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(script.read_text(), newline="\n")
    apply(text, folder, f"{diff} does not fit {script}")
    changed = f'NAME = "{script.stem}_{diff.stem}"'
    source, n = re.subn(r"^NAME = .*$", changed, copy.read_text(), flags=re.MULTILINE)
    if n != 1:
        raise ValueError(f"{script} must have one line NAME = ..., and has {n}")
    copy.write_text(source)
    return copy


def apply(text, folder, trouble):
    """Apply the text of a diff to the files in a folder; raise ValueError(trouble: ...)."""
    # git must not look for a repository around the folder, or it would apply the diff there
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(folder.parent)
    command = ["git", "apply", "--whitespace=nowarn"]
    try:
        done = subprocess.run(
            command, input=text.encode(), cwd=folder, env=environment, capture_output=True
        )
    except FileNotFoundError:
        raise ValueError("git is missing, which applies the change: install it") from None
    if done.returncode != 0:
        raise ValueError(f"{trouble}: {' '.join(done.stderr.decode().split())}")


def main(argv=None):
    """Run the command line; the user's mistakes end in one line and status 2."""
    argv = sys.argv[1:] if argv is None else argv
    about = __doc__.splitlines()[0]
    own = "All flags that follow are those of the script."
    parser = argparse.ArgumentParser("exercise.py", argparse.SUPPRESS, about, own)
    parser.add_argument("script", type=Path, metavar="SCRIPT.py", help="a training script")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the change; without it: the list")
    args = parser.parse_args(argv[:2])
    flags = argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        try:
            diffs = find_diffs(args.script)
            if args.name is None:
                show_list(diffs)
                return
            if args.name not in diffs:
                raise ValueError(f"{args.script} has no {args.name}, but {', '.join(diffs)}")
            diff = diffs[args.name]
            copy = change(args.script, diff, folder)
            print(diff.read_text(), flush=True)
            script = import_script(copy)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        script.main(flags)  # in here, for TensorFlow reads the source of what it compiles


if __name__ == "__main__":
    main()
