"""The logo of a merchant: accepted uploads, the stored picture, its pages, and permissions."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.accounts.logos import MOST_BYTES, STORED
from engine.model.documents.tier import Tier
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_tiers import TIERS

PAGE, LOGO = "/admin/account", "/admin/account/logo"
REPORT = "/v1/placements/payment_methods/report"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def picture(width: int = 1600, height: int = 400, kind: str = "PNG", mode: str = "RGB") -> bytes:
    file, info = BytesIO(), PngInfo()
    info.add_text("Author", "Secret Person")
    Image.new(mode, (width, height), 1 if mode == "P" else "navy").save(file, kind, pnginfo=info)
    return file.getvalue()


def upload(person: Person, content: bytes, name: str = "logo.png") -> httpx.Response:
    data = {"csrf": person.csrf(PAGE)}
    return person.client.post(person.address(LOGO), data=data, files={"logo": (name, content, "image/png")})


def bomb(width: int, height: int) -> bytes:
    """A small file that says it is a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [b"IHDR" + header, b"IDAT" + zlib.compress(b"\0" * 100), b"IEND"]
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_logo_is_redrawn_and_shown_on_the_page(person: Person) -> None:
    assert "There is no logo yet" in person.get(PAGE)
    assert person.client.get(person.address(f"{LOGO}.png")).status_code == 404
    assert upload(person, picture()).status_code == 303
    assert "/account/logo.png?" in person.get(PAGE)
    kept = person.client.get(person.address(f"{LOGO}.png"))
    assert kept.headers["content-type"] == "image/png"
    assert b"Secret Person" not in kept.content
    with Image.open(BytesIO(kept.content)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (800, 200))


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16")]
)
def test_usual_kinds_of_pictures_are_taken(person: Person, kind: str, mode: str) -> None:
    assert upload(person, picture(40, 400, kind, mode)).status_code == 303
    kept = person.client.get(person.address(f"{LOGO}.png")).content
    with Image.open(BytesIO(kept)) as drawn:
        assert drawn.size == (24, STORED[1])


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Choose a PNG or JPEG picture."),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "Choose a PNG or JPEG picture."),
        (picture()[:200], "Choose a PNG or JPEG picture."),
        (picture(kind="GIF"), "Choose a PNG or JPEG picture."),
        (picture(2001, 10), "It has 2001 x 10 pixels; choose one of at most 2,000 each."),
        (bomb(2_000, 2_000), "Choose a PNG or JPEG picture."),
        (bomb(9_000, 9_000), "It has 9000 x 9000 pixels; choose one of at most 2,000 each."),
        (bomb(100_000, 100_000), "Choose a PNG or JPEG picture."),
        (picture(10, 10) + b"\0" * MOST_BYTES, "The file has 200 kB; choose one of at most 200 kB."),
    ],
)
def test_invalid_or_large_picture_is_refused(person: Person, content: bytes, message: str) -> None:
    answer = upload(person, content)
    assert answer.status_code == 422
    assert message in answer.text
    assert person.client.get(person.address(f"{LOGO}.png")).status_code == 404, "nothing is stored"


def test_reports_have_the_logo_until_it_is_removed(side: Side, person: Person) -> None:
    def pictures() -> int:
        return side.client.get(REPORT, params={"format": "pdf"}).content.count(b"/Subtype/Image")

    assert pictures() == 0
    upload(person, picture())
    assert pictures() == 1
    assert person.send(f"{LOGO}/remove").status_code == 303
    assert pictures() == 0
    assert "There is no logo yet" in person.get(PAGE)


def test_a_tier_without_a_logo_keeps_it_out_of_reports(server: Server, side: Side, person: Person) -> None:
    upload(person, picture())
    # Merchants of other tests may have theirs.
    server.run(server.engine.tiers.replace(TIERS | {"plain": Tier(logo=False)}, actor_name="tap2"))
    server.run(server.engine.tiers.assign(side.merchant.slug, "plain", actor_name="tap2"))
    assert side.client.get(REPORT, params={"format": "pdf"}).content.count(b"/Subtype/Image") == 0
    assert "Your tier does not include a logo" in person.get(PAGE)
    assert upload(person, picture()).status_code == 409
    server.run(server.engine.tiers.assign(side.merchant.slug, "", actor_name="tap2"))


def test_logo_is_changed_only_by_admins_of_its_merchant(server: Server, side: Side, person: Person) -> None:
    editor, other = add_person(server, side, role="editor"), add_person(server, server.sides()[0])
    assert upload(person, picture()).status_code == 303
    assert upload(editor, picture()).status_code == 403
    assert editor.send(f"{LOGO}/remove").status_code == 403
    assert editor.client.get(editor.address(f"{LOGO}.png")).status_code == 200
    assert other.client.get(other.address(f"{LOGO}.png")).status_code == 404
