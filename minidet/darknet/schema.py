"""Which sections and options a cfg may hold: what is used, what only training reads, what would change the result.

An option that changes what the network computes and is not implemented is an error, never passed over.  Options that
only training reads are known, checked for their type, and kept in the `Cfg`.  Any other option is warned of, with its
line, since it may be a misspelling.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .cfg import Cfg, CfgWarning, Section

INT, FLOAT, TEXT, INTS, FLOATS = "integer", "number", "text", "integers", "numbers"


def _typed(**names: str) -> dict[str, str]:
    return {name: kind for kind, listed in names.items() for name in listed.split()}


@dataclass(frozen=True)
class Schema:
    """The options of one section: name to type for those ``used`` and those of ``training``, and ``refused``.

    ``refused`` maps an option to the value at which it changes nothing, which is the only one accepted.
    """

    used: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, float] = field(default_factory=dict)


#: Options that any layer may carry: the learning rate of a layer, where gradients stop, streams and logging.
COMMON = _typed(
    integer="stopbackward dontload dontloadscales dontsave nobias train_only_bn burnin_update onlyforward "
    "learning_rate_scale stream wait_stream show_details numload gradient_stop",
    number="learning_rate clip smooth",
)

_NET = Schema(
    used=_typed(integer="width height channels"),
    training=_typed(
        integer="batch subdivisions max_batches burn_in max_crop min_crop flip blur gaussian_noise mixup cutmix mosaic "
        "mosaic_bound letter_box adam step sgdr_cycle sgdr_mult track augment_speed sequential_subdivisions "
        "try_fix_nan weights_reject_freq equidistant_point use_cuda_graph dynamic_minibatch optimized_memory "
        "contrastive contrastive_jit_flip contrastive_color unsupervised attention notruth random "
        "show_receptive_field",
        number="momentum decay learning_rate learning_rate_min angle aspect saturation exposure hue power gamma scale "
        "B1 B2 eps ema_alpha label_smooth_eps resize_step adversarial_lr max_chart_loss loss_scale min_ratio max_ratio "
        "workspace_size_limit_MB badlabels_rejection_percentage num_sigmas_reject_badlabels clip center",
        integers="steps",
        numbers="scales seq_scales",
        text="policy",
    ),
    refused={"time_steps": 1, "inputs": 0, "log_step": 0},
)

_CONVOLUTIONAL = Schema(
    used=_typed(
        integer="filters groups size stride stride_x stride_y dilation pad padding batch_normalize", text="activation"
    ),
    training=_typed(integer="grad_centr", number="dot angle"),
    refused={
        "xnor": 0,
        "bin_output": 0,
        "binary": 0,
        "cbn": 0,
        "flipped": 0,
        "antialiasing": 0,
        "assisted_excitation": 0,
        "share_index": -1000000000,
        "sway": 0,
        "rotate": 0,
        "stretch": 0,
        "stretch_sway": 0,
        "coordconv": 0,
        "reverse": 0,
    },
)

_YOLO_TRAINING = _typed(
    integer="random objectness_smooth focal_loss max track_history_size dets_for_track dets_for_show",
    number="jitter resize ignore_thresh truth_thresh iou_thresh iou_normalizer cls_normalizer obj_normalizer "
    "delta_normalizer uc_normalizer label_smooth_eps max_delta sim_thresh track_ciou_norm thresh nms_threshold",
    text="iou_loss iou_thresh_kind",
    integers="counters_per_class",
)

_REGION_TRAINING = _typed(
    integer="rescore absolute bias_match max focal_loss log sqrt",
    number="jitter resize thresh coord_scale object_scale noobject_scale class_scale mask_scale random",
)

SCHEMAS: Mapping[str, Schema] = MappingProxyType(
    {
        "net": _NET,
        "convolutional": _CONVOLUTIONAL,
        "local": Schema(used=_typed(integer="filters size stride pad", text="activation")),
        "connected": Schema(used=_typed(integer="output batch_normalize", text="activation")),
        "maxpool": Schema(
            used=_typed(integer="size stride stride_x stride_y padding"),
            refused={"maxpool_depth": 0, "out_channels": 1, "antialiasing": 0, "maxpool_zero_nonmax": 0},
        ),
        "avgpool": Schema(),
        "upsample": Schema(used=_typed(integer="stride", number="scale")),
        "reorg": Schema(used=_typed(integer="stride"), refused={"reverse": 0, "flatten": 0, "extra": 0}),
        "reorg3d": Schema(used=_typed(integer="stride"), refused={"reverse": 0}),
        "route": Schema(used=_typed(integers="layers", integer="groups group_id")),
        "shortcut": Schema(
            used=_typed(integers="from", text="activation weights_type weights_normalization"),
            refused={"alpha": 1, "beta": 1},
        ),
        "scale_channels": Schema(used=_typed(integer="from", text="activation"), refused={"scale_wh": 0}),
        "dropout": Schema(
            used=_typed(number="probability"),
            refused={"dropblock": 0, "dropblock_size_rel": 0, "dropblock_size_abs": 0},
        ),
        "softmax": Schema(
            used=_typed(integer="groups", number="temperature"),
            training=_typed(integer="noloss"),
            refused={"spatial": 0, "tree": 0},
        ),
        "yolo": Schema(
            used=_typed(
                integers="mask",
                numbers="anchors",
                integer="classes num new_coords",
                number="scale_x_y beta_nms",
                text="nms_kind",
            ),
            training=_YOLO_TRAINING,
            refused={"map": 0, "embedding_layer": 999999},
        ),
        "region": Schema(
            used=_typed(numbers="anchors", integer="classes num coords softmax"),
            training=_REGION_TRAINING,
            refused={"tree": 0, "map": 0, "background": 0, "classfix": 0},
        ),
        "detection": Schema(
            used=_typed(integer="classes num side coords softmax sqrt"),
            training=_typed(
                integer="rescore forced max",
                number="jitter resize random coord_scale object_scale noobject_scale class_scale",
            ),
            refused={"reorg": 0},
        ),
    }
)


def check(cfg: Cfg) -> None:
    """Check every section and option of a cfg against the schemas, before anything is built.

    Raises `CfgError` for an unknown section, an option that changes the result and is not implemented, a value of the
    wrong type, or an option of the network's structure that is given twice.  Warns (`CfgWarning`) of options nobody
    knows, and of other options given twice.
    """
    for section in cfg.sections:
        if section.name not in SCHEMAS:
            known = ", ".join(f"[{name}]" for name in SCHEMAS)
            raise section.error(f"is a section that is not implemented; there are {known}")
        _check_section(section, SCHEMAS[section.name])
    for section, option in cfg.notes:
        schema, first = SCHEMAS[section.name], section.options[option.name]
        if option.name in schema.used or option.name in schema.refused:
            raise section.error(f"is given again at line {option.line}; expected it once", option.name)
        message = f"is given twice; the first value, {first.value} (line {first.line}), is kept, as in Darknet"
        warnings.warn(f"{cfg.file}:{option.line}: [{section.name}] {option.name} {message}", CfgWarning, stacklevel=3)


def _check_section(section: Section, schema: Schema) -> None:
    types = {**COMMON, **schema.training, **schema.used}
    for name, option in section.options.items():
        if name in schema.refused:
            neutral = schema.refused[name]
            try:
                changes = float(option.value) != neutral
            except ValueError:
                changes = True
            if changes:
                raise section.error(f"{name}={option.value} changes the result and is not implemented", name)
        elif name in types:
            getattr(section, types[name])(name)  # raises for a value that is not of the type
        else:
            warnings.warn(f"{section.where(name)}: is not known, and is passed over", CfgWarning, stacklevel=4)
