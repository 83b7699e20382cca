"""UltraFace beside OpenCV's DNN, which reads the Caffe files, and ONNX Runtime, which reads those of ONNX.

The slim ONNX and both Caffe nets give boxes that are not decoded; the RFB ONNX decodes them itself, and so holds the
authors' priors.  Scores are after the softmax in all four.
"""

from __future__ import annotations

import numpy as np
import pytest
from support.close import assert_close
from support.realdata import data

from minidet import nn, no_grad
from minidet.autograd import Tensor
from minidet.boxes.yolo import softmax
from minidet.data.image import load_image
from minidet.data.letterbox import stretch
from minidet.detect import choose, detect
from minidet.models import build
from minidet.weights.foreign import recognised

pytestmark = pytest.mark.oracle
BOUND = 1e-4  # of the largest number; measured: up to 5e-6

MODELS = {"ultraface-rfb-320": "RFB-320", "ultraface-slim-320": "slim-320"}
PICTURES = ("000001", "000542", "001150", "004545")


def mine(name, file):
    found = recognised(str(file), name)
    with nn.init.skipped():
        model = build(name, **found.told()["options"])
    found.fill(model)
    return model.eval()


def images():
    """Noise, and photographs at the network's size: (5, 3, 240, 320), RGB, 0 to 1."""
    photographs = [stretch(load_image(data(f"ssd/mobilenet_ssd_voc/images/{p}.jpg")), (240, 320))[0] for p in PICTURES]
    return np.stack([np.random.default_rng(0).random((3, 240, 320), np.float32), *photographs]).astype(np.float32)


def outputs(model, x):
    """Raw locations (N, 4420, 4), probabilities of "nothing" and "face" (N, 4420, 2), candidates of each image."""
    with no_grad():
        maps = [m.numpy() for m in model(Tensor(x))]
    locations, logits = model.boxes.rows(maps)
    return locations, softmax(logits), model.candidates(maps)


@pytest.mark.parametrize("name", MODELS)
def test_the_caffemodel_as_opencv_computes_it(name):
    cv2 = pytest.importorskip("cv2")
    path = data("ssd/ultraface") / MODELS[name]
    model = mine(name, f"{path}.caffemodel")
    net = cv2.dnn.readNetFromCaffe(f"{path}.prototxt", f"{path}.caffemodel")
    for x in images()[:, None]:
        net.setInput((x * 255 - 127) / 128)
        boxes, scores = net.forward(["boxes", "scores"])
        locations, probabilities, _ = outputs(model, x)
        assert_close(locations, boxes, rtol=BOUND)
        assert_close(probabilities, scores, rtol=BOUND)


@pytest.fixture(scope="module")
def runtime():
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of each initializer that is an input too
    options.intra_op_num_threads = 1

    def run(file, x):
        session = onnxruntime.InferenceSession(str(data("ssd/ultraface") / file), options)
        found = [session.run(["scores", "boxes"], {"input": one[None] * 255 / 128 - 127 / 128}) for one in x]
        return [np.concatenate(parts).astype(np.float32) for parts in zip(*found, strict=True)]

    return lambda file, x: run(file, x.astype(np.float32))


@pytest.mark.parametrize("form", [".pth", ".npz", ".onnx"])
def test_rfb_as_onnx_runtime_computes_it(runtime, form):
    """Boxes decoded there, as shares of the picture."""
    x = images()
    scores, boxes = runtime("version-RFB-320.onnx", x)
    _, probabilities, found = outputs(mine("ultraface-rfb-320", data(f"ssd/ultraface/version-RFB-320{form}")), x)
    assert_close(probabilities, scores, rtol=BOUND)
    assert_close(np.stack([one.boxes for one in found]), boxes * np.float32([320, 240] * 2), rtol=BOUND)


@pytest.mark.parametrize("form", [".pth", ".npz", "_without_postprocessing.onnx"])
def test_slim_as_onnx_runtime_computes_it(runtime, form):
    x = images()
    scores, boxes = runtime("version-slim-320_without_postprocessing.onnx", x)
    locations, probabilities, _ = outputs(mine("ultraface-slim-320", data(f"ssd/ultraface/version-slim-320{form}")), x)
    assert_close(probabilities, scores, rtol=BOUND)
    assert_close(locations, boxes, rtol=BOUND)


def test_detections_are_those_of_their_outputs(runtime):
    """The boxes that ONNX Runtime gives, suppressed and brought back to the photograph."""
    model = mine("ultraface-rfb-320", data("ssd/ultraface/RFB-320.caffemodel"))
    scores, boxes = runtime("version-RFB-320.onnx", images()[1:])
    for picture, score, box in zip(PICTURES, scores, boxes, strict=True):
        path = data(f"ssd/mobilenet_ssd_voc/images/{picture}.jpg")
        h, w = load_image(path).shape[:2]
        kept, _ = choose(box * np.float32([320, 240] * 2), score[:, 1:], score=0.5, nms=0.3)
        found = detect(model, path, score=0.5, nms=0.3)
        assert len(found.scores) == len(kept) > 0
        assert found.scores[0] > 0.9
        assert_close(found.scores, score[kept, 1], rtol=BOUND)
        assert_close(found.boxes, np.clip(box[kept], 0, 1) * [w, h, w, h], rtol=BOUND)
