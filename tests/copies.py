"""Keep the functions that the training scripts repeat one text, and the scripts short.

    python tests/copies.py          names what is wrong; prints the lengths, `!` if over a limit
    python tests/copies.py --fix    first writes the originals over the copies

The training scripts stand alone, so they repeat functions on purpose. A copy is a top-level
function right below a line `# Copied from FILE`, or all from there on, `# Copied from FILE, down to
NAME`; it must equal that part of FILE. Two scripts must not have the same function without a mark.
"""

import argparse
import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^# Copied from (\S+\.py)(?:, down to (\w+))?$")
LIMITS = {"lines": 430, "plumbing": 190, "first network": 55, "train": 46}
LINES_OF_INFOGAN = 490
MORE_LINES = 20  # by which a script may pass its limit, if it cannot be shorter without tricks
# what a tutorial itself has; beside define_* and these all is plumbing
TUTORIAL = {
    "load_real_samples",
    "generate_real_samples",
    "generate_latent_points",
    "generate_fake_samples",
    "save_plot",
    "summarize_performance",
    "train",
    # and what the training step is made of
    "make_train_step",
    "convolve_to_few",
    "pulling_away_term",
}


@functools.cache
def functions(text):
    """Return {name: (first, last)}, the line numbers of the top-level functions, from 0."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            found[node.name] = first, node.end_lineno
    return found


def training_scripts(root=ROOT):
    """Return the paths of the scripts that train: those that define a function `train`."""
    paths = [*sorted(root.glob("*.py")), *sorted(root.glob("variants/*.py"))]
    return [path for path in paths if "train" in functions(path.read_text())]


def copies(script, text):
    """Return (file, first, last) of each mark: where the original stands, and the functions' names.

    A mark that leads nowhere ends the program.
    """
    spans, found = functions(text), []
    starts = {start: name for name, (start, _) in spans.items()}
    for number, line in enumerate(text.splitlines(), 1):
        if mark := MARK.match(line):
            first = starts.get(number)
            last = mark[2] or first
            if first is None or last not in spans or spans[last] < spans[first]:
                raise SystemExit(f"{script}:{number}: the functions of this mark are not below it")
            found.append((mark[1], first, last))
    return found


def refresh(script, originals):
    """Return the text of a script with fresh copies, and the names of the stale ones.

    `originals` are the texts of all scripts by name; marks within an original are not copied.
    """
    text = originals[script]
    lines, stale = text.splitlines(), []
    for file, first, last in reversed(copies(script, text)):  # so that line numbers stay right
        source, spans = originals.get(file, ""), functions(text)
        if not {first, last} <= functions(source).keys():
            raise SystemExit(f"{script}: {file} has no function {first} or {last}")
        part = slice(spans[first][0], spans[last][1])
        start, end = functions(source)[first][0], functions(source)[last][1]
        original = [line for line in source.splitlines()[start:end] if not MARK.match(line)]
        if lines[part] != original:
            stale.append(first if first == last else f"{first} to {last}")
            lines[part] = original
    return "\n".join(lines) + "\n", stale


def unmarked(originals):
    """Return (name, script, twin): functions of one text of which neither is marked as a copy."""
    seen, found = {}, []
    for script, text in originals.items():
        spans, lines = functions(text), text.splitlines()
        parts = [(spans[first], spans[last]) for _, first, last in copies(script, text)]
        for name, span in spans.items():
            if any(first <= span <= last for first, last in parts):
                continue
            twin = seen.setdefault((name, "\n".join(lines[slice(*span)])), script)
            if twin != script:
                found.append((name, script, twin))
    return found


def lengths(text):
    """Return the lengths of a script by the names of LIMITS; of functions, without blank lines."""
    spans = functions(text)
    own = [name for name in spans if not name.startswith("define_") and name not in TUTORIAL]
    size = {name: end - start for name, (start, end) in spans.items()}
    return {
        "lines": len(text.splitlines()),
        "plumbing": sum(size[name] for name in own),
        "first network": 1 + min(spans[name][0] for name in spans if name.startswith("define_")),
        "train": size["train"],
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="write the originals over the copies")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the scripts")
    args = parser.parse_args(argv)
    status, scripts = 0, training_scripts(args.root)
    originals = {path.name: path.read_text() for path in scripts}
    for _ in scripts:  # a copy may be the original of another
        for path in scripts if args.fix else ():
            originals[path.name], _ = refresh(path.name, originals)
            path.write_text(originals[path.name])
    for path in scripts:
        for name in refresh(path.name, originals)[1]:
            print(f"{path.name}: {name} differs from its original")
            status = 1
    for name, script, twin in unmarked(originals):
        print(f"{script}: {name} is the same as in {twin}, and neither is marked as a copy")
        status = 1
    print(f"{'':24}" + "".join(f"{name:>15}" for name in LIMITS))
    for path in scripts:
        limits = dict(LIMITS)
        if "infogan" in path.name:
            limits["lines"] = LINES_OF_INFOGAN
        measured = lengths(path.read_text())
        row = [
            f"{measured[name]}{'!' if measured[name] > limits[name] else ' '}" for name in limits
        ]
        print(f"{path.name:24}" + "".join(f"{figure:>15}" for figure in row))
        limits["lines"] += MORE_LINES
        status |= any(measured[name] > limits[name] for name in limits)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
