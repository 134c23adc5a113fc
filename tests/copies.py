"""Keep the functions that the training scripts repeat one text, and the scripts short.

    python tests/copies.py          names what is wrong; prints the lengths, `!` if over a limit
    python tests/copies.py --fix    first writes the originals over the copies

The training scripts stand alone, so they repeat functions on purpose. A copy is a top-level
function right below a line `# Copied from FILE`; it must equal the function of that name in FILE,
and two scripts must not have the same function without such a mark.
"""

import argparse
import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^# Copied from (\S+\.py)$")
LIMITS = {"lines": 430, "plumbing": 190, "first network": 55, "train": 46}
LINES_OF_INFOGAN = 490
# Until the scripts are within those: what none may pass. Lower these with every line that goes.
CEILINGS = {"lines": 545, "plumbing": 247, "first network": 55, "train": 46}
CEILING_OF_INFOGAN = 620
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
    "compile_update",
}


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


def refresh(path, originals):
    """Return the text of a script with fresh copies, and the names of the stale ones.

    `originals` are the texts of all scripts by name. A mark that leads nowhere ends the program.
    """
    text = originals[path.name]
    lines, stale = text.splitlines(), []
    spans = sorted(functions(text).items(), key=lambda item: item[1], reverse=True)
    starts = {first for _, (first, _) in spans}
    for number, line in enumerate(lines, 1):
        if MARK.match(line) and number not in starts:
            raise SystemExit(f"{path.name}:{number}: no function below this mark")
    for name, (first, last) in spans:  # from the bottom up, so that line numbers stay right
        mark = MARK.match(lines[first - 1])
        if not mark:
            continue
        source = originals.get(mark[1], "")
        if name not in functions(source):
            raise SystemExit(f"{path.name}:{first}: {mark[1]} has no function {name}")
        start, end = functions(source)[name]
        original = source.splitlines()[start:end]
        if lines[first:last] != original:
            stale.append(name)
            lines[first:last] = original
    return "\n".join(lines) + "\n", stale


def unmarked(originals):
    """Return (name, script, twin): functions of one text of which neither is marked as a copy."""
    first, found = {}, []
    for script, text in originals.items():
        lines = text.splitlines()
        for name, (start, end) in functions(text).items():
            if MARK.match(lines[start - 1]):
                continue
            twin = first.setdefault((name, "\n".join(lines[start:end])), script)
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
    for path in scripts:
        text, stale = refresh(path, originals)
        for name in stale:
            print(f"{path.name}: {name} {'refreshed' if args.fix else 'differs from its original'}")
        if stale and args.fix:
            path.write_text(text)
        elif stale:
            status = 1
    for name, script, twin in unmarked(originals):
        print(f"{script}: {name} is the same as in {twin}, and neither is marked as a copy")
        status = 1
    print(f"{'':24}" + "".join(f"{name:>15}" for name in LIMITS))
    for path in scripts:
        limits, ceilings = dict(LIMITS), dict(CEILINGS)
        if "infogan" in path.name:
            limits["lines"], ceilings["lines"] = LINES_OF_INFOGAN, CEILING_OF_INFOGAN
        measured = lengths(path.read_text())
        row = [
            f"{measured[name]}{'!' if measured[name] > limits[name] else ' '}" for name in limits
        ]
        print(f"{path.name:24}" + "".join(f"{figure:>15}" for figure in row))
        status |= any(measured[name] > ceilings[name] for name in ceilings)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
