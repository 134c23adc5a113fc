"""The dialect of Keras 2.2 to 2.15: models' descriptions, rewritten so that Keras 3 takes them.

A description is what Keras stores of a layer or a model: {"class_name": str, "config": dict, ...}.
"""

MODELS = ("Sequential", "Functional", "Model")  # class names under which models are stored

# Names of Keras 2 that changed in Keras 3: of classes, and of the settings of a class.
RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    ("InputLayer", "batch_input_shape"): "batch_shape",
    ("LeakyReLU", "alpha"): "negative_slope",
}
# Settings that some layers of Keras 3 do not take any more, with the value that asks for nothing.
# With any other value they stay, and Keras refuses the file rather than draw different images.
NEUTRAL = {"groups": 1, "noise_shape": None, "ragged": False, "sparse": False, "time_major": False}
# These act while a model is built or trained, if at all, and not on the images.
IDLE = (("Embedding", "input_length"), ("SpatialDropout2D", "trainable"))
IDLE_ENDINGS = ("_initializer", "_regularizer", "_constraint")


def class_of(layer):
    """Return the class name of a described layer, as Keras 3 has it."""
    return RENAMED.get(layer["class_name"], layer["class_name"])


def inner_layers(model):
    """Return the descriptions of a described model's layers, in order."""
    config = model["config"]
    if isinstance(config, list):  # Sequential before Keras 2.2.3: a bare list of layers
        return config
    return config["layers"]


def name_of(layer):
    """Return the name of a described layer; None for one that has none."""
    config = layer["config"]
    if isinstance(config, dict):
        return config.get("name")
    return layer.get("name")


def is_described(value):
    """Return whether the value of a setting is itself the description of something."""
    return isinstance(value, dict) and "class_name" in value


def is_idle(name, key):
    """Return whether a setting of the class `name` acts in training at most, not on the images."""
    return key.endswith(IDLE_ENDINGS) or (name, key) in IDLE


def upgrade_layer(layer):
    """Rewrite the description of a layer or model so that Keras 3 takes it.

    `layer` was written by Keras 2.2 to 2.15 or Keras 3; a model's config holds a list of such
    layers. Returns a new description. Raises ValueError for a setting that Keras 3 would ignore.
    """
    name = class_of(layer)
    if name in MODELS:
        return upgrade_model(name, layer)
    config = {}
    for key, value in layer["config"].items():
        neutral = key in NEUTRAL and value == NEUTRAL[key]
        if not neutral and not is_idle(name, key):
            config[RENAMED.get((name, key), key)] = upgrade_setting(name, key, value)
    return {"class_name": name, "config": config}


def upgrade_setting(name, key, value):
    """Rewrite the value of a setting of a layer: the part of `upgrade_layer` for one of them."""
    if key == "axis" and isinstance(value, list):
        if len(value) != 1:  # Keras 3 would forget them all
            raise ValueError(f"{name} over the axes {value}")
        return value[0]
    if not is_described(value):
        return value
    if key == "dtype":  # a policy, of which the name says all
        policy = value["config"]["name"]
        if policy.startswith("mixed_"):  # trained in half precision, on float32 weights
            return "float32"
        return policy
    # A layer inside a layer: an activation, or what a wrapper wraps.
    return {**upgrade_layer(value), "module": "keras.layers", "registered_name": None}


def upgrade_model(name, model):
    """Rewrite the description of a model: the part of `upgrade_layer` for models."""
    config = model["config"]
    if isinstance(config, list):
        config = {"name": model.get("name", "sequential")}
    layers = []
    for old in inner_layers(model):
        new = upgrade_layer(old)
        shape = new["config"].pop("batch_input_shape", None)
        if name == "Sequential" and not layers and shape:
            # Keras 2 has the first layer hold the shape of the input, Keras 3 a layer of its own.
            layers.append({"class_name": "InputLayer", "config": {"batch_shape": shape}})
        kept = {key: old[key] for key in ("name", "inbound_nodes") if key in old}
        layers.append(new | kept)
    for layer in layers:
        calls = layer.get("inbound_nodes")
        if layer["class_name"] in MODELS and calls and isinstance(calls[0], list):
            renumber_calls(layer, layers, config["output_layers"])
    config = {**config, "layers": layers}
    config.pop("dtype", None)
    for key in ("input_layers", "output_layers"):
        if len(config.get(key, ())) == 1:  # a list of one would ask for lists of one ever after
            config[key] = config[key][0]
    return {"class_name": name, "config": config}


def renumber_calls(nested, layers, output_layers):
    """Number the calls of a model inside a functional model as Keras 3 does, in place.

    A reference to an output is [layer, call, tensor, ...]. Keras 2 counts the making of a model
    whose input shape was known as its call 0. Keras 3 does not, except that `output_layers` counts
    the calls of a functional model from 1.
    """
    name = nested["name"]
    inner = []
    for layer in layers:
        for call in layer["inbound_nodes"]:
            inner.extend(reference for reference in call if reference[0] == name)
    outer = [reference for reference in output_layers if reference[0] == name]
    last = max(reference[1] for reference in inner + outer)
    first = last + 1 - len(nested["inbound_nodes"])
    for reference in inner:
        reference[1] -= first
    for reference in outer:
        reference[1] -= first
        if nested["class_name"] != "Sequential":
            reference[1] += 1
