"""What files of three kinds say of themselves. Needs no TensorFlow."""

NOISE = {"name": "noise", "size": 62, "distribution": "normal"}
CATEGORY = {"name": "category", "size": 10, "distribution": "one-hot"}
CODES = {"name": "codes", "size": 2, "distribution": "uniform"}
PLAIN = {"kind": "unconditional", "latent": [NOISE], "classes": 0, "class_names": []}
LABELLED = PLAIN | {"kind": "conditional", "classes": 10}
INFOGAN = LABELLED | {"kind": "infogan", "latent": [NOISE, CATEGORY, CODES]}
