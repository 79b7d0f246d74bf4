"""Domain names: text, and the wire's labels in lower case (RFC 1035 §3.1).

A name on the wire is at most 255 bytes, a label 63. Text other than letters, digits, `-` and `_`
is written as `\\ooo`, octal, as Route 53 returns it.
"""

from __future__ import annotations

NAME_BYTES_MAX = 255
LABEL_BYTES_MAX = 63
ROOT = b"\0"
WILDCARD = b"\x01*"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


def to_wire(text: str, origin: bytes = ROOT) -> bytes:
    """The name on the wire, in lower case. ValueError says what is wrong.

    `@` is `origin`, and a name without a final dot is relative to it; `\\052` is a byte.
    """
    if text in ("", "@"):
        return origin
    labels, absolute = _labels(text)
    wire = b"".join(bytes([len(label)]) + label for label in labels)
    wire += ROOT if absolute else origin
    if len(wire) > NAME_BYTES_MAX:
        raise ValueError(f"is longer than {NAME_BYTES_MAX} bytes")
    return wire


def absolute_wire(text: str) -> bytes:
    """A whole name, with its final dot or without. ValueError."""
    return to_wire(text.rstrip(".") + ".") if text != "." else ROOT


def _labels(text: str) -> tuple[list[bytes], bool]:
    if text == ".":
        return [], True
    labels, label, at = [], bytearray(), 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            code = text[at + 1 : at + 4]
            if len(code) != 3 or not all(digit in "01234567" for digit in code):
                raise ValueError("has a \\ that three octal digits do not follow")
            if int(code, 8) > 255:
                raise ValueError("has a byte beyond \\377")
            label.append(int(code, 8))
            at += 4
            continue
        if char == ".":
            labels.append(_checked(label))
            label = bytearray()
        elif not 0x21 <= ord(char) <= 0x7E:
            raise ValueError("has a character that is not ASCII")
        else:
            label.append(ord(char))
        at += 1
    absolute = not label
    if label:
        labels.append(_checked(label))
    return labels, absolute


def _checked(label: bytearray) -> bytes:
    if not label:
        raise ValueError("has an empty label")
    if len(label) > LABEL_BYTES_MAX:
        raise ValueError(f"has a label longer than {LABEL_BYTES_MAX} bytes")
    return bytes(label).lower()


def split(name: bytes) -> list[bytes]:
    """The labels of a name on the wire, without the root's, first the leftmost."""
    labels, at = [], 0
    while name[at]:
        labels.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    return labels


def parent(name: bytes) -> bytes:
    """The name without its leftmost label; the root's is the root."""
    return name[1 + name[0] :] or ROOT


def to_text(name: bytes) -> str:
    """The text of a name on the wire, with its final dot."""
    return "".join(f"{_escaped(label)}." for label in split(name)) or "."


def reversed_labels(name: bytes) -> list[bytes]:
    """What names are sorted by: labels from the right, as Route 53 lists them."""
    return split(name)[::-1]


def is_below(name: bytes, zone: bytes) -> bool:
    """Whether a name is of a zone: its apex, or below it."""
    while len(name) > len(zone):
        name = parent(name)
    return name == zone


def _escaped(label: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in label)
