"""The fields of Caffe's files that are read here, with their numbers.

From ``src/caffe/proto/caffe.proto`` of https://github.com/BVLC/caffe; the fields from 200 on, of SSD's layers, from the
branch ``ssd`` of https://github.com/weiliu89/caffe.  ``V1LayerParameter`` is the form of before 2015, whose layers have
numbers for types.  Lists of numbers may be packed or not: the library takes both.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .protobuf import Messages, classes

MESSAGES: Messages = {
    "NetParameter": {
        "name": (1, "string"),
        "layers": (2, "repeated V1LayerParameter"),
        "input": (3, "repeated string"),
        "input_dim": (4, "repeated int32"),
        "input_shape": (8, "repeated BlobShape"),
        "layer": (100, "repeated LayerParameter"),
    },
    "LayerParameter": {
        "name": (1, "string"),
        "type": (2, "string"),
        "bottom": (3, "repeated string"),
        "top": (4, "repeated string"),
        "blobs": (7, "repeated BlobProto"),
        "include": (8, "repeated NetStateRule"),
        "exclude": (9, "repeated NetStateRule"),
        "concat_param": (104, "ConcatParameter"),
        "convolution_param": (106, "ConvolutionParameter"),
        "inner_product_param": (117, "InnerProductParameter"),
        "prelu_param": (131, "PReLUParameter"),
        "batch_norm_param": (139, "BatchNormParameter"),
        "scale_param": (142, "ScaleParameter"),
        "input_param": (143, "InputParameter"),
        "permute_param": (202, "PermuteParameter"),
        "prior_box_param": (203, "PriorBoxParameter"),
        "detection_output_param": (204, "DetectionOutputParameter"),
        "norm_param": (206, "NormalizeParameter"),
    },
    "V1LayerParameter": {
        "bottom": (2, "repeated string"),
        "top": (3, "repeated string"),
        "name": (4, "string"),
        "type": (5, "V1LayerType"),
        "blobs": (6, "repeated BlobProto"),
        "concat_param": (9, "ConcatParameter"),
        "convolution_param": (10, "ConvolutionParameter"),
        "inner_product_param": (17, "InnerProductParameter"),
        "include": (32, "repeated NetStateRule"),
        "exclude": (33, "repeated NetStateRule"),
    },
    "BlobShape": {"dim": (1, "repeated int64")},
    "BlobProto": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "repeated float"),
        "shape": (7, "BlobShape"),
        "double_data": (8, "repeated double"),
    },
    "NetStateRule": {
        "phase": (1, "Phase"),
        "min_level": (2, "int32"),
        "max_level": (3, "int32"),
        "stage": (4, "repeated string"),
        "not_stage": (5, "repeated string"),
    },
    "ConcatParameter": {"concat_dim": (1, "uint32"), "axis": (2, "int32")},
    "ConvolutionParameter": {
        "num_output": (1, "uint32"),
        "bias_term": (2, "bool"),
        "pad": (3, "repeated uint32"),
        "kernel_size": (4, "repeated uint32"),
        "group": (5, "uint32"),
        "stride": (6, "repeated uint32"),
        "pad_h": (9, "uint32"),
        "pad_w": (10, "uint32"),
        "kernel_h": (11, "uint32"),
        "kernel_w": (12, "uint32"),
        "stride_h": (13, "uint32"),
        "stride_w": (14, "uint32"),
        "dilation": (18, "repeated uint32"),
    },
    "InnerProductParameter": {"num_output": (1, "uint32"), "bias_term": (2, "bool")},
    "PReLUParameter": {"channel_shared": (2, "bool")},
    "BatchNormParameter": {"eps": (3, "float")},
    "ScaleParameter": {"bias_term": (4, "bool")},
    "InputParameter": {"shape": (1, "repeated BlobShape")},
    "PermuteParameter": {"order": (1, "repeated uint32")},
    "PriorBoxParameter": {
        "min_size": (1, "repeated float"),
        "max_size": (2, "repeated float"),
        "aspect_ratio": (3, "repeated float"),
        "flip": (4, "bool"),
        "clip": (5, "bool"),
        "variance": (6, "repeated float"),
        "img_size": (7, "uint32"),
        "img_h": (8, "uint32"),
        "img_w": (9, "uint32"),
        "step": (10, "float"),
        "step_h": (11, "float"),
        "step_w": (12, "float"),
        "offset": (13, "float"),
    },
    "NonMaximumSuppressionParameter": {"nms_threshold": (1, "float"), "top_k": (2, "int32"), "eta": (3, "float")},
    "DetectionOutputParameter": {
        "num_classes": (1, "uint32"),
        "share_location": (2, "bool"),
        "background_label_id": (3, "int32"),
        "nms_param": (4, "NonMaximumSuppressionParameter"),
        "code_type": (6, "CodeType"),
        "keep_top_k": (7, "int32"),
        "variance_encoded_in_target": (8, "bool"),
        "confidence_threshold": (9, "float"),
    },
    "NormalizeParameter": {"across_spatial": (1, "bool"), "channel_shared": (3, "bool"), "eps": (4, "float")},
}

#: The types of ``V1LayerParameter``: their words, numbers, and the words that took their place.
V1_TYPES = {
    "NONE": (0, ""), "ACCURACY": (1, "Accuracy"), "BNLL": (2, "BNLL"), "CONCAT": (3, "Concat"),
    "CONVOLUTION": (4, "Convolution"), "DATA": (5, "Data"), "DROPOUT": (6, "Dropout"),
    "EUCLIDEAN_LOSS": (7, "EuclideanLoss"), "FLATTEN": (8, "Flatten"), "HDF5_DATA": (9, "HDF5Data"),
    "HDF5_OUTPUT": (10, "HDF5Output"), "IM2COL": (11, "Im2col"), "IMAGE_DATA": (12, "ImageData"),
    "INFOGAIN_LOSS": (13, "InfogainLoss"), "INNER_PRODUCT": (14, "InnerProduct"), "LRN": (15, "LRN"),
    "MULTINOMIAL_LOGISTIC_LOSS": (16, "MultinomialLogisticLoss"), "POOLING": (17, "Pooling"), "RELU": (18, "ReLU"),
    "SIGMOID": (19, "Sigmoid"), "SOFTMAX": (20, "Softmax"), "SOFTMAX_LOSS": (21, "SoftmaxWithLoss"),
    "SPLIT": (22, "Split"), "TANH": (23, "TanH"), "WINDOW_DATA": (24, "WindowData"), "ELTWISE": (25, "Eltwise"),
    "POWER": (26, "Power"), "SIGMOID_CROSS_ENTROPY_LOSS": (27, "SigmoidCrossEntropyLoss"),
    "HINGE_LOSS": (28, "HingeLoss"), "MEMORY_DATA": (29, "MemoryData"), "ARGMAX": (30, "ArgMax"),
    "THRESHOLD": (31, "Threshold"), "DUMMY_DATA": (32, "DummyData"), "SLICE": (33, "Slice"), "MVN": (34, "MVN"),
    "ABSVAL": (35, "AbsVal"), "SILENCE": (36, "Silence"), "CONTRASTIVE_LOSS": (37, "ContrastiveLoss"),
    "EXP": (38, "Exp"), "DECONVOLUTION": (39, "Deconvolution"),
}  # fmt: skip

ENUMS = {
    "Phase": {"TRAIN": 0, "TEST": 1},
    "CodeType": {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3},
    "V1LayerType": {word: number for word, (number, _) in V1_TYPES.items()},
}


@cache
def net_class() -> Any:
    """The class of a whole net, of a ``.prototxt`` as of a ``.caffemodel``."""
    return classes("caffe", MESSAGES, ENUMS, extra="caffe")["NetParameter"]
