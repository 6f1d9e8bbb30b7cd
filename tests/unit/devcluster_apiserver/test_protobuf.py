"""The protobuf bodies of kubectl's create commands; the wire format is written by hand here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.apiserver.web.protobuf import ProtobufError, decode_message, decode_object


def varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def text(number: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value % (1 << 64))


def envelope(kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + text(1, text(1, "v1") + text(2, kind)) + text(2, raw)


def entry(key: str, value: str) -> bytes:
    return text(1, key) + text(2, value)


def test_a_config_map_is_read() -> None:
    metadata = text(1, "c") + text(2, "") + text(11, entry("app", "x"))
    body = envelope("ConfigMap", text(1, metadata) + text(2, entry("a", "1")) + text(3, entry("b", "2")))
    assert decode_object(body) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"app": "x"}},
        "data": {"a": "1"},
        "binaryData": {"b": "Mg=="},
    }


def test_zero_counts_only_where_it_was_set() -> None:
    spec = integer(1, 0) + integer(5, 0)
    assert decode_message("DeploymentSpec", spec) == {"replicas": 0}


def test_ports_and_names_of_ports_are_told_apart() -> None:
    number = text(4, integer(1, 0) + integer(2, 8080))
    name = text(4, integer(1, 1) + text(3, "http"))
    assert decode_message("ServicePort", number) == {"targetPort": 8080}
    assert decode_message("ServicePort", name) == {"targetPort": "http"}


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_integers_keep_their_value_and_sign(value: int) -> None:
    expected = {"gracePeriodSeconds": value}
    assert decode_message("DeleteOptions", integer(1, value)) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "no Kubernetes protobuf"),
        (envelope("Job", b""), "kind 'Job' is not understood here"),
        (envelope("ConfigMap", text(99, "x")), "field 99 of ConfigMap is not understood here"),
        (envelope("ConfigMap", text(1, text(1, "c"))[:-1]), "ends in the middle"),
        (envelope("ConfigMap", b"\xff"), "ends in the middle of a number"),
        (envelope("ConfigMap", integer(1, 5)), "bytes were expected"),
        (envelope("ConfigMap", text(4, "x")), "a number was expected"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(body: bytes, message: str) -> None:
    with pytest.raises(ProtobufError, match=message):
        decode_object(body)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode_object(envelope("Secret", data))
    except (ProtobufError, UnicodeDecodeError):
        return
