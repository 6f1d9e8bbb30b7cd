r"""Reading the protobuf bodies that kubectl's `create` commands send; every answer stays JSON.

A body is the four bytes `k8s\0`, then an `Unknown` message with the kind and the object's own bytes. Only
the messages in `protobuf_messages` are known; a field that its table lacks is refused rather than dropped.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from devcluster.apiserver.objects.json_types import JsonObject
from devcluster.apiserver.web.protobuf_messages import MESSAGES, Field

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTHS = {_FIXED64: 8, _FIXED32: 4}
_SIGN_BIT, _BITS = 1 << 63, 1 << 64
_IGNORED = "Ignored"


class ProtobufError(ValueError):
    """A body that cannot be read."""


def decode_object(body: bytes) -> JsonObject:
    """The object in a body.

    Raises:
        ProtobufError: the body is broken, or of a kind or with a field that is not known here.
    """
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body is no Kubernetes protobuf")
    envelope = decode_message("Unknown", body[len(_MAGIC) :], raw_bytes=True)
    kind = envelope.get("typeMeta", {}).get("kind", "")
    if kind not in MESSAGES:
        raise ProtobufError(f"protobuf of kind {kind!r} is not understood here; send JSON (kubectl apply -f)")
    return {**envelope["typeMeta"], **decode_message(kind, envelope.get("raw", b""))}


def decode_message(name: str, data: bytes, *, raw_bytes: bool = False) -> JsonObject:
    """The JSON form of one message; `raw_bytes` leaves bytes as they are instead of encoding them."""
    table = MESSAGES[name]
    document: JsonObject = {}
    for number, raw in _fields(data):
        field = table.get(number)
        if field is None:
            raise ProtobufError(
                f"field {number} of {name} is not understood here; send JSON (kubectl apply -f)"
            )
        if field.type == _IGNORED:
            continue
        if field.repeated == "map":
            document.setdefault(field.name, {}).update(_map_entry(field, raw))
            continue
        value = _value(field.type, raw, raw_bytes=raw_bytes)
        if field.repeated == "list":
            document.setdefault(field.name, []).append(value)
        elif field.keeps_zero or value not in ("", 0, False):
            document[field.name] = value
    return document


def _map_entry(field: Field, raw: int | bytes) -> JsonObject:
    key, value = "", _value(field.type, b"", raw_bytes=False)
    for number, part in _fields(_as_bytes(raw)):
        if number == 1:
            key = _as_bytes(part).decode()
        else:
            value = _value(field.type, part, raw_bytes=False)
    return {key: value}


def _value(kind: str, raw: int | bytes, *, raw_bytes: bool) -> Any:  # noqa: ANN401 - any JSON value
    if kind == "string":
        return _as_bytes(raw).decode()
    if kind == "bytes":
        return _as_bytes(raw) if raw_bytes else b64encode(_as_bytes(raw)).decode()
    if kind in {"int", "bool"}:
        if isinstance(raw, bytes):
            raise ProtobufError("a number was expected")
        return bool(raw) if kind == "bool" else raw - _BITS if raw & _SIGN_BIT else raw
    message = decode_message(kind, _as_bytes(raw))
    if kind == "Quantity":
        return message.get("string", "")
    if kind == "IntOrString":
        return message.get("strVal", "") if message.get("type") else message.get("intVal", 0)
    return message


def _as_bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise ProtobufError("bytes were expected")
    return raw


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbered values of a message, in their order."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, position = _varint(data, position)
        elif wire_type in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[wire_type]
        else:
            raise ProtobufError(f"wire type {wire_type} is unknown")
        end = position + length
        if end > len(data):
            raise ProtobufError("the body ends in the middle of a field")
        yield number, data[position:end]
        position = end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
        shift += 7
    raise ProtobufError("the body ends in the middle of a number")
