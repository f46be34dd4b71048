"""Keys instead of a random generator: 64 bits that a decision's key, or a candidate's id, stands for."""

from hashlib import blake2b


def seed_of(key: str) -> int:
    """Return the 64 bits of a key: BLAKE2b-64 of its UTF-8, little-endian."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def candidate_hash(candidate: str) -> int:
    """Return the 64 bits of a candidate's id, made as those of a key."""
    return seed_of(candidate)
