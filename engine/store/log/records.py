"""The record of a decision: its texts, compressed with a dictionary of what the records of a placement have in common.

Zstandard (RFC 8878). Records of a placement differ in few bytes, so that a dictionary leaves a sixth of them, in a
third of the time of compressing without it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import zstandard

LEVEL = 3
NO_DICTIONARY = 0
MOST_OF_A_THREAD = 64
"""Compressors and decompressors that a thread keeps."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[str]).decode


class Dictionary(NamedTuple):
    """A Zstandard dictionary. Its id is a hash of its content, so that it is the same in every database."""

    id: int
    content: bytes


def dictionary_of(content: bytes) -> Dictionary:
    return Dictionary(int.from_bytes(sha256(content).digest()[:8]) >> 1, content)


WITHOUT = Dictionary(NO_DICTIONARY, b"")


class _Contexts(threading.local):
    """Contexts of Zstandard serve one thread at a time."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressors: dict[int, zstandard.ZstdDecompressor] = {}


_contexts = _Contexts()


def compressed(records: Sequence[Sequence[str]], dictionary: Dictionary = WITHOUT) -> list[bytes]:
    """Return records of texts.

    All in one call: Zstandard gives up the interpreter for each call, and the event loop would keep it for a while.
    """
    compressor = _contexts.compressors.get(dictionary.id)
    if compressor is None:
        _make_room(_contexts.compressors)
        compressor = _contexts.compressors[dictionary.id] = zstandard.ZstdCompressor(
            LEVEL, dict_data=_loaded(dictionary), write_checksum=False, write_dict_id=False
        )
    buffers = compressor.multi_compress_to_buffer([_encode(texts) for texts in records])
    return [buffers[number].tobytes() for number in range(len(buffers))]


def decompressed(record: bytes, dictionary: Dictionary = WITHOUT) -> list[str]:
    """Return the texts of a record that was made with the dictionary."""
    decompressor = _contexts.decompressors.get(dictionary.id)
    if decompressor is None:
        _make_room(_contexts.decompressors)
        decompressor = _contexts.decompressors[dictionary.id] = zstandard.ZstdDecompressor(
            dict_data=_loaded(dictionary)
        )
    return _decode(decompressor.decompress(record))


def trained(samples: Sequence[Sequence[str]], size: int) -> Dictionary | None:
    """Return a dictionary of at most `size` bytes for texts like the samples; None if they have nothing in common."""
    try:
        return dictionary_of(zstandard.train_dictionary(size, [_encode(texts) for texts in samples]).as_bytes())
    except zstandard.ZstdError:
        return None


def _loaded(dictionary: Dictionary) -> zstandard.ZstdCompressionDict | None:
    if dictionary.id == NO_DICTIONARY:
        return None
    loaded = zstandard.ZstdCompressionDict(dictionary.content)
    loaded.precompute_compress(level=LEVEL)
    return loaded


def _make_room(contexts: dict[int, Any]) -> None:
    if len(contexts) >= MOST_OF_A_THREAD:
        contexts.pop(next(iter(contexts)))
