"""The logo of a merchant: drawn anew from what was uploaded, so that nothing of the file itself is kept."""

from __future__ import annotations

import asyncio
from io import BytesIO

from PIL import Image, ImageOps

from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Conflict, Invalid, invalid
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.limits import logos, tiers

MOST_BYTES = 200_000
MOST_PIXELS = 2_000
"""Of the width and of the height of what is uploaded."""
STORED = (800, 240)
"""The largest width and height of what is stored: sharp at the 12 mm that a report gives it."""
FORMATS = ("PNG", "JPEG")
NO_PICTURE = "choose a PNG or JPEG picture"


class Logos:
    """Logos of merchants, each side its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, merchant_id: int) -> bytes:
        """Return a merchant's logo as PNG; empty where there is none."""
        async with self._database.read() as connection:
            return await logos.get(connection, merchant_id)

    async def of_reports(self, merchant_id: int) -> bytes:
        """Return the logo that stands in reports; empty where there is none, or the tier has none."""
        async with self._database.read() as connection:
            is_allowed = (await tiers.tier_of(connection, merchant_id)).logo
            return await logos.get(connection, merchant_id) if is_allowed else b""

    async def replace(self, actor: Actor, content: bytes) -> None:
        """Store a logo; raise `Invalid` for what is no small picture, and `Conflict` where the tier has no logo."""
        drawn = await asyncio.to_thread(drawn_anew, content)
        async with self._database.write() as connection:
            if not (await tiers.tier_of(connection, actor.merchant_id)).logo:
                raise Conflict("your tier has no logo")
            await logos.replace(connection, actor.merchant_id, drawn)
            await audit.write(connection, NewEntry(actor, now_ms(), "changed", "logo"))

    async def remove(self, actor: Actor) -> None:
        """Delete a merchant's logo."""
        async with self._database.write() as connection:
            if await logos.remove(connection, actor.merchant_id):
                await audit.write(connection, NewEntry(actor, now_ms(), "deleted", "logo"))


def drawn_anew(content: bytes) -> bytes:
    """Return a picture as a PNG of at most `STORED` pixels, without the texts and profiles of the file.

    Raise `Invalid` for other files, and for pictures that are too large; their size is read before they are decoded.
    """
    if len(content) > MOST_BYTES:
        raise invalid(
            "logo", f"the file has {len(content) // 1000:,} kB; choose one of at most {MOST_BYTES // 1000} kB"
        )
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            if max(picture.size) > MOST_PIXELS:
                width, height = picture.size
                raise invalid("logo", f"it has {width} x {height} pixels; choose one of at most {MOST_PIXELS:,} each")
            upright = ImageOps.exif_transpose(picture)
            plain = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except Invalid:
        raise
    except Exception:
        # Decoders raise what they like for broken files, and none of it says more to a person.
        raise invalid("logo", NO_PICTURE) from None
    plain.thumbnail(STORED)
    plain.info.clear()
    drawn = BytesIO()
    plain.save(drawn, "PNG", optimize=True)
    return drawn.getvalue()
