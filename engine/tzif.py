"""When the offset of an IANA zone may change, as the database lists it.

`zoneinfo` says what the offset is at an instant, and not when it changes. The file that it reads
(TZif, RFC 9636) lists the changes, up to a year from which a rule holds that depends on nothing but
the kind of year. Only the instants are taken from it: what changes there, the zone itself is asked.
"""

from __future__ import annotations

import os
import struct
import zoneinfo
from typing import NamedTuple

HEADER = struct.Struct(">4sc15x6l")


class Listing(NamedTuple):
    """The instants, in seconds, at which the offset may change; `has_rule` says whether it may
    also change after the last of them, by the rule."""

    instants: tuple[int, ...]
    has_rule: bool


def listing(name: str) -> Listing | None:
    """What the file of the zone called `name` says, which `zoneinfo` has accepted; None where it
    is not found or is of the first version, which does not list all."""
    data = file_of(name)
    return None if data is None else read_listing(data)


def file_of(name: str) -> bytes | None:
    """The file that `zoneinfo` reads: of the system, else of the package `tzdata`."""
    for folder in zoneinfo.TZPATH:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                return file.read()
    from importlib import resources  # slow to import, and seldom needed

    try:
        return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    except (ModuleNotFoundError, OSError):
        return None


def read_listing(data: bytes) -> Listing | None:
    """The listing in a file: in the second of its two blocks, whose instants have 64 bits, and in
    the rule that follows it between two line ends."""
    try:
        magic, version, *counts = HEADER.unpack_from(data)
        if magic != b"TZif" or version < b"2":
            return None
        start = HEADER.size + length_of(counts, 4)
        _, _, *counts = HEADER.unpack_from(data, start)
        instants = struct.unpack_from(f">{counts[3]}q", data, start + HEADER.size)
    except struct.error:
        return None
    rule = data[start + HEADER.size + length_of(counts, 8) :]
    return Listing(instants, b"," in rule)


def length_of(counts: list[int], width: int) -> int:
    """How long a block is whose instants have that many bytes: its indicators, leap seconds,
    changes, types and names."""
    universal, standard, leaps, changes, types, characters = counts
    return (
        changes * (width + 1) + types * 6 + characters + leaps * (width + 4) + universal + standard
    )
