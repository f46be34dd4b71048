"""Edit, review and publish the draft of `payment_methods`, for tests of the engine."""

from __future__ import annotations

from tests.factories import rule

PLACEMENT = "payment_methods"
HIDE_CARD = rule({"exclude": ["card"]})


class DraftEditor:
    """Edits, reviews and publishes the draft of `payment_methods` as one person."""

    def __init__(self, shop, name):
        self.shop, self.name = shop, name

    async def save(self, document, revision=None):
        return await self.shop.engine.drafts.save(self.shop.actor(self.name), PLACEMENT, document, revision=revision)

    async def remove(self, id, revision=None):
        return await self.shop.engine.drafts.remove(self.shop.actor(self.name), PLACEMENT, id, revision=revision)

    async def draft(self):
        return await self.shop.engine.drafts.get(self.shop.id, PLACEMENT)

    async def marks(self):
        return {item.id: item.mark for item in (await self.draft()).rules}

    async def release(self, action, **options):
        revision = options.pop("revision", None) or (await self.draft()).head.revision
        return await getattr(self.shop.engine.releases, action)(
            self.shop.actor(self.name), PLACEMENT, revision=revision, **options
        )

    async def publish(self, reason="because"):
        return await self.release("publish", reason=reason)


def version_of(shop):
    return shop.engine.live.get(shop.id, PLACEMENT).plan.version


async def enable_review(shop):
    await shop.engine.accounts.set_review(shop.merchant, on=True, actor_name="ada@example.com")
