"""Where the weights of a model lie in an HDF5 file, and how they come into the model.

Keras stores them in three layouts:

    "model"    LAYER/... in the group model_weights, their order in attributes weight_names: in a
               whole model, model.save("x.h5")
    "names"    the same at the root of a file of weights: save_weights of Keras 2
    "numbers"  layers/KIND/vars/0, 1 and so on, where KIND is dense, dense_1, dense_2 for the first
               three layers Dense: in .keras, and save_weights("x.weights.h5") since Keras 2.12
"""

import collections
import re

import h5py

from sampling.keras2 import inner_layers, name_of

# The container of a model's layers in Keras 2.12 and 2.13. Those with weights are in it twice, and
# the second entry, which stores nothing, is counted: dense, dense_2, dense_4.
TWICE = "_layer_checkpoint_dependencies"
CONTAINERS = ("layers", TWICE)


def tell_layout(file):
    """Return the layout of an open HDF5 file: "model", "names" or "numbers"."""
    if "model_config" in file.attrs:
        return "model"
    if any(key.startswith("layer_names") for key in file.attrs):
        return "names"
    return "numbers"


def is_weight(names, layout):
    """Return whether a data set in a file of this layout is a weight, by the names that lead to it.

    Beside the weights may lie what belongs to the optimizer and to metrics.
    """
    if layout == "model":
        return names[0] == "model_weights"
    if layout == "numbers":
        return names[0] in CONTAINERS
    return True


def shapes_by_layer(model, layout, shapes):
    """Return the shapes of the weights of each layer of a described model, {name: [shape, ...]}.

    `shapes` are those of a file of this layout, by the names that lead to them. A layer that is a
    model has those of all layers inside it.
    """
    groups = collections.defaultdict(list)
    depth = {"model": 2, "names": 1, "numbers": 2}[layout]  # of the group of a layer
    for names, shape in shapes.items():
        groups[names[:depth]].append(shape)
    if layout == "numbers":
        places = place_layers(model, (), leading(shapes))
        return {name: groups[place] for name, place in places.items()}
    return {place[-1]: found for place, found in groups.items()}


def leading(paths):
    """Return the names, tuples, that paths of names begin with, whole ones included: a set."""
    return {names[:k] for names in paths for k in range(1, len(names) + 1)}


def place_layers(model, above, filled):
    """Return the group of each layer of a described model in the layout "numbers", {name: group}.

    Groups are tuples of names: `above` is the model's own, and `filled` a set of all those that
    hold weights, at any depth.
    """
    container = (*above, "layers")
    entries = 1
    if (*above, TWICE) in filled:
        container = (*above, TWICE)
        entries = 2
    places = {}
    counts = collections.Counter()
    for layer in inner_layers(model):
        kind = snake_case(layer["class_name"])
        number = counts[kind]
        place = (*container, f"{kind}_{number}" if number else kind)
        places[name_of(layer)] = place
        counts[kind] += entries if place in filled else 1
    return places


def snake_case(name):
    """Return the name of a class as Keras writes it in a file: conv2d_transpose, p_re_lu."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def load_weights(model, described, layout, file):
    """Copy the weights out of an open HDF5 file of this layout into a model.

    `described` is the model's stored description. Every weight must be there: an interrupted save
    can leave a valid file that lacks some, or has room for some that were never written. Raises
    KeyError for a missing layer and ValueError for weights that are missing or misshapen.
    """
    if layout == "numbers":
        load_numbered(model, described, file)
    elif layout == "names":
        load_named(model, file)
    else:
        load_named(model, file["model_weights"])


def load_named(model, group):
    """Copy weights into a model from a group of an HDF5 file in which layers have their names."""
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights  # the order of the file
        if not variables:
            continue
        stored = group[layer.name]
        # A list too long for one attribute is split over weight_names0, weight_names1, ...
        keys = [key for key in stored.attrs if key.startswith("weight_names")]
        names = [name for key in sorted(keys, key=len) for name in stored.attrs[key]]
        if len(set(names)) < len(names):  # Keras 3.0 can store only the first one of them
            raise ValueError(f"those of layer {layer.name} share a name: save it as .keras")
        assign(layer.name, variables, [stored[name] for name in names])


def assign(name, variables, values):
    """Copy HDF5 data sets into the variables of a layer; raise ValueError where they do not fit."""
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise ValueError(f"those of layer {name} are missing or of another shape")
    if any(value.id.get_storage_size() == 0 for value in values):
        raise ValueError(f"those of layer {name} were never written")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value[()])


def load_numbered(model, described, file):
    """Copy weights into a model from an open HDF5 file in which they are numbered."""
    stored = numbered_weights(file)
    filled = leading(stored)
    loaded = set()  # the groups whose weights are in the model
    assigned = set()  # and the variables that have them, by id

    def load(layer, described, place):
        own = stored.get(place, [])
        variables = layer.weights[: len(own)]  # those of layers inside it come after its own
        assign(layer.name, variables, own)
        loaded.add(place)
        assigned.update(id(variable) for variable in variables)
        if hasattr(layer, "layers"):
            load_inner(layer, described, place)
        if hasattr(layer, "layer"):  # it is a wrapper
            load(layer.layer, described["config"]["layer"], (*place, "layer"))

    def load_inner(model, described, above):
        places = place_layers(described, above, filled)
        descriptions = {name_of(layer): layer for layer in inner_layers(described)}
        for layer in model.layers:
            load(layer, descriptions[layer.name], places[layer.name])

    load(model, described, ())
    for layer in model.layers:
        if not assigned.issuperset(id(variable) for variable in layer.weights):
            raise ValueError(f"those of layer {layer.name} are missing or stored elsewhere")
    for place in stored:
        if place not in loaded and is_weight(place, "numbers"):
            raise ValueError(f"those in {'/'.join(place)} are of no layer")


def numbered_weights(file):
    """Return the weights in an open HDF5 file in order, {names of their group: [data set, ...]}.

    Those of a layer lie in its group vars, by number.
    """
    found = collections.defaultdict(dict)

    def note(path, item):
        names = tuple(re.split(r"[/\\]", path))
        if isinstance(item, h5py.Dataset) and "vars" in names[-2:-1]:
            found[names[:-2]][names[-1]] = item

    file.visititems(note)
    return {
        group: [values[number] for number in sorted(values, key=int)]
        for group, values in found.items()
    }
