"""The pretrained Darknet networks among the real data."""

from __future__ import annotations

from typing import Any

from support.realdata import data

# Name to the path of the cfg, without its ending; the weights stand beside it.
NETWORKS = {
    "yolo-fastest-1.1": "weights/yolo-fastest/yolo-fastest-1.1_coco/yolo-fastest-1.1",
    "yolo-fastest-1.0": "weights/yolo-fastest/yolo-fastest-1.0_coco/yolo-fastest",
    "nano-voc": "weights/mobilenet-yolo/MobileNetV2-YOLOv3-Nano/VOC/MobileNetV2-YOLOv3-Nano-voc",
    "yoloface-50k": "weights/mobilenet-yolo/yoloface-50k/yoloface-50k",
}

PHOTOGRAPHS = ("dog", "eagle", "giraffe", "horses", "kite", "person", "scream")


def files(name: str) -> tuple[str, str]:
    """The cfg and the weights of a network in `NETWORKS`."""
    return str(data(f"{NETWORKS[name]}.cfg")), str(data(f"{NETWORKS[name]}.weights"))


def photograph(name: str) -> str:
    """One of `PHOTOGRAPHS`."""
    return str(data(f"darknet/images/{name}.jpg"))


def pretrained(name: str, **options: Any) -> Any:
    """A network with its weights, in inference mode; `options` as for `DarknetNetwork`."""
    from minidet import nn
    from minidet.darknet.network import DarknetNetwork
    from minidet.weights import darknet

    cfg, weights = files(name)
    with nn.init.skipped():
        model = DarknetNetwork(cfg, **options)
    darknet.load(model, weights)
    return model.eval()
