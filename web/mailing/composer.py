"""What mails say: reports with the page's words, in the merchant's language of figures and time zone."""

from __future__ import annotations

from datetime import date

from engine.model.account import Merchant
from engine.model.errors import NotFound
from engine.model.mailing.mail import Attachment, Mail, MailContent
from engine.model.mailing.report_schedule import ReportSchedule, days_reported
from engine.service import Engine
from web.mailing.alert_words import alert_words
from web.overview.cards import cards_of, headline, notes_of
from web.overview.overview import Overview
from web.overview.period import OverviewPeriod
from web.overview.report_files import report_file
from web.reader import MerchantReader

HOW_OFTEN = {"daily": "every day", "weekly": "every week", "monthly": "every month"}


class MailComposer:
    """Writes the mails of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, mail: Mail) -> MailContent | None:
        """Return what a mail says; None if what it is about was deleted."""
        if mail.kind == "alert":
            return await self._alert(mail)
        try:
            schedule = await self._engine.mail.schedules.get(mail.merchant_id, mail.subject)
            overview = await self._overview(schedule, mail.period)
        except NotFound:
            return None
        return await _report(overview, schedule, is_test=mail.kind == "test", url=self._engine.settings.public_url)

    async def _alert(self, mail: Mail) -> MailContent | None:
        event = await self._engine.mail.alerts.event(mail.merchant_id, int(mail.period))
        if event is None:
            return None
        merchant = await self._merchant(mail.merchant_id)
        configuration, show = (
            await self._engine.catalogue.configuration(merchant.id),
            MerchantReader(self._engine, merchant).show,
        )
        words, url = alert_words(event, configuration, show), self._engine.settings.public_url
        side = " (test data)" if merchant.mode == "test" else ""
        lines = [words.text, ""]
        lines += [f"{url}/admin/{merchant.mode}{words.path}", ""] if url else []
        lines += [
            f"{merchant.name}{side}, {show.moment(event.recorded_at)}.",
            "You get this because an admin chose it for you on the page Alerts. To stop it, write to them.",
        ]
        return MailContent(f"{words.title}{side}", "\n".join(lines))

    async def _overview(self, schedule: ReportSchedule, day: str) -> Overview:
        """Return the overview of the days that a report is about which is due on a day."""
        merchant = await self._merchant(schedule.merchant_id)
        configuration = await self._engine.catalogue.configuration(merchant.id)
        placement = configuration.get("placement", "", schedule.document.placement).document
        reader = MerchantReader(self._engine, merchant)
        first, last = days_reported(schedule.document.frequency, day)
        compare = "holdback" if placement.holdback is not None else "before"
        parameters = {"range": "custom", "first": first.isoformat(), "last": last.isoformat(), "compare": compare}
        period = OverviewPeriod.of(parameters | {"placement": placement.key}, reader.show)
        return Overview(reader, configuration, placement, period)

    async def _merchant(self, merchant_id: int) -> Merchant:
        merchants = await self._engine.accounts.merchants()
        merchant = next((each for each in merchants if each.id == merchant_id), None)
        if merchant is None:
            raise NotFound("there is no such merchant")
        return merchant


async def _report(overview: Overview, schedule: ReportSchedule, *, is_test: bool, url: str) -> MailContent:
    reader, period, document = overview.reader, overview.period, schedule.document
    dashboard = await overview.dashboard()
    file = await report_file(overview, document.format, document.detail)
    show, days = reader.show, days_in_words(period)
    beside = "the holdback" if period.compare == "holdback" else period.before_in_words
    cards = cards_of(reader, dashboard, period)
    page = f"{url}/admin/{reader.merchant.mode}/{period.query}"
    where = f"The details are attached, and at {page}" if url else "The details are attached."
    side = ", test data" if reader.merchant.mode == "test" else ""
    lines = [
        headline(reader, dashboard, period),
        "",
        *(f"{each.title}: {each.value}. {each.verdict}. {each.sentence}" for each in cards),
        *notes_of(reader, dashboard, period),
        "",
        f"{overview.placement.name}, {days}, {show.zone.key}{side}. Compared with {beside}.",
        where,
        "",
        f"{reader.merchant.name} sends this {HOW_OFTEN[document.frequency]}. To stop it, write to them: "
        f"it is “{document.name}” on their page Reports.",
    ]
    title = f"{'Test: ' if is_test else ''}{document.name}, {days}"
    text = "\n".join(lines).replace("\N{WORD JOINER}", "")
    return MailContent(title, text, [Attachment(file.name, file.media, file.content)])


def days_in_words(period: OverviewPeriod) -> str:
    """Return the days of a period, as in “Nov 15 to Nov 21, 2026”."""
    first, last = date.fromisoformat(period.first), date.fromisoformat(period.last)
    if first == last:
        return f"{last:%b} {last.day}, {last.year}"
    year = "" if first.year == last.year else f", {first.year}"
    return f"{first:%b} {first.day}{year} to {last:%b} {last.day}, {last.year}"
