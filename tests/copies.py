"""Check that what is marked `# Copied from FILE` in a script equals its original in FILE.

    python tests/copies.py          names each copy that differs, and ends with status 1
    python tests/copies.py --fix    writes the originals over the copies

The training scripts stand alone, so they repeat their plumbing on purpose; this keeps it one text.
A copy is a top-level function, with its decorators, right below such a comment line.
"""

import argparse
import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"^# Copied from (\S+\.py)$")


@functools.cache
def functions(text):
    """Return {name: (first, last)}, the line numbers of the top-level functions, from 0."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            found[node.name] = first, node.end_lineno
    return found


def refresh(path):
    """Return the text of the script at `path` with fresh copies, and the names of stale ones."""
    text = path.read_text()
    lines, stale = text.splitlines(), []
    spans = sorted(functions(text).items(), key=lambda item: item[1], reverse=True)
    starts = {first for _, (first, _) in spans}
    for number, line in enumerate(lines):
        if MARK.match(line) and number + 1 not in starts:
            raise SystemExit(f"{path.name}:{number + 1}: no function below this mark")
    for name, (first, last) in spans:  # from the bottom up, so that line numbers stay right
        mark = MARK.match(lines[first - 1])
        if not mark:
            continue
        source = (path.parent / mark[1]).read_text()
        if name not in functions(source):
            raise SystemExit(f"{path.name}:{first}: {mark[1]} has no function {name}")
        start, end = functions(source)[name]
        original = source.splitlines()[start:end]
        if lines[first:last] != original:
            stale.append(name)
            lines[first:last] = original
    return "\n".join(lines) + "\n", stale


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="write the originals over the copies")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the scripts")
    args = parser.parse_args(argv)
    status = 0
    for path in sorted(args.root.glob("*.py")):
        text, stale = refresh(path)
        for name in stale:
            print(f"{path.name}: {name} {'refreshed' if args.fix else 'differs from its original'}")
        if stale and args.fix:
            path.write_text(text)
        elif stale:
            status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
