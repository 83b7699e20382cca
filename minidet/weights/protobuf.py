"""Messages of Protocol Buffers from tables of field numbers, without a compiler and without generated code.

Caffe and ONNX keep weights as messages of this format (https://protobuf.dev/programming-guides/encoding).  Its library,
``protobuf``, does the reading; what it has to know is the number and the type of each field, and that is data.  A
message here names only the fields that are read: the others are skipped, as the format means it.

The messages live in a pool of their own, so that they get along with ``onnx`` or Caffe in the same process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

#: Message to its fields: name to (number, type).  A type is one of protobuf's words (``float``, ``int64``, ...), the
#: name of a message, or of an enumeration; "repeated" before it means any number of them.
Messages = Mapping[str, Mapping[str, tuple[int, str]]]
#: Enumeration to its words and numbers.
Enums = Mapping[str, Mapping[str, int]]


def classes(package: str, messages: Messages, enums: Enums, *, extra: str) -> Mapping[str, Any]:
    """A class for each message, by name.  ``extra`` of minidet brings the library: `InputError` says so without it."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        raise InputError(
            f"reading {package} files needs the library protobuf: pip install 'minidet[{extra}]'"
        ) from None
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"minidet/{package}.proto", package=package, syntax="proto2")
    for name, words in enums.items():
        enumeration = file.enum_type.add(name=name)
        for word, number in words.items():
            enumeration.value.add(name=word, number=number)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, told) in fields.items():
            *many, kind = told.split()
            one = message.field.add(name=field, number=number)
            one.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if kind in messages or kind in enums:
                one.type = kinds.TYPE_MESSAGE if kind in messages else kinds.TYPE_ENUM
                one.type_name = f".{package}.{kind}"
            else:
                one.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"{package}.{name}")) for name in messages}


def text(value: str | bytes) -> str:
    """A text of a message; in a damaged file it may be no text, and the library then gives its bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
