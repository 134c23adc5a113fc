"""What tools do with a training script: read it, import it, put something in the place of `train`.

`given` are the arguments that the script's `main` gives to its `train`, by name: g_model, d_model,
gan_model, dataset, latent_dim, run, ...
"""

import ast
import contextlib
import importlib.util
import inspect
import sys

# functions that tell a training script from other files; the tools call or replace them
PARTS = {"generate_real_samples", "save_plot", "summarize_performance", "make_train_batch"}
PARTS |= {"train", "main"}


def read_script(path):
    """Return the syntax tree of a training script; raise ValueError where the file is none."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is no Python file: {error}") from None
    missing = PARTS - {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}
    if missing:
        raise ValueError(f"{path} is no training script: no function {', '.join(sorted(missing))}")
    return tree


def import_script(path):
    """Import a training script from its path; raise ValueError where it is none."""
    read_script(path)
    sys.path.insert(0, str(path.parent))  # where the script, started alone, would look for others
    spec = importlib.util.spec_from_file_location(path.stem, path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def leave_signals(run):
    """Stand in for a run's way to end on Ctrl-C, after a checkpoint: a stage ends at once."""
    return contextlib.nullcontext()


def print_errors(*text, file=None, **options):
    """Stand in for a script's print: what it says of a run is left out, but not what went wrong."""
    if file is sys.stderr:
        print(*text, file=file, **options)


def replace_train(script, show, printed=print_errors):
    """Let a script's `main` call show(given) in the place of `train`.

    `given` are the arguments of `train`, by name; `printed` stands in for the script's print.
    """
    signature = inspect.signature(script.train)
    script.train = lambda *args: show(signature.bind(*args).arguments)
    script.print = printed
    script.Run.end_on_signals = leave_signals


def single_output(model):
    """Return the number of D's, or the composite's, output that is a single number."""
    return [output.shape[-1] for output in model.outputs].index(1)


def draw_points(script, given, n_samples, seed):
    """Draw n_samples inputs for G, as the composite's update draws them."""
    known = given | {"n_samples": n_samples, "seed": seed}
    if isinstance(given["dataset"], list):
        known["n_classes"] = len(given["dataset"][2])
    names = inspect.signature(script.generate_latent_points).parameters
    arguments = {name: known[name] for name in names if name in known}
    parts = script.generate_latent_points(**arguments)
    if not isinstance(parts, list):
        return parts
    g_model = given["g_model"]
    if len(g_model.inputs) > 1:  # noise and labels
        return parts
    if parts[0].shape[-1] == g_model.input_shape[-1]:  # points, and once more the codes in them
        return parts[0]
    return script.tf.concat(parts, axis=1)
