"""The overview of a placement as a report: JSON, CSV or PDF."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.errors import invalid
from engine.service import Engine
from web.api.common_types import WITHOUT_NUL
from web.http.responses import NO_STORE
from web.openapi.operation import Answer, Operation
from web.overview.overview import Overview
from web.overview.period import OverviewPeriod
from web.overview.report import Detail, OverviewReport
from web.overview.report_files import MEDIA, ReportKind, report_file
from web.reader import MerchantReader

IsoDay = Annotated[
    str, Meta(max_length=10, pattern=WITHOUT_NUL, description="An ISO day, for the range `custom`: `2026-11-01`.")
]


class ReportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days, the comparison and the form of a report. Days are those of the merchant's time zone."""

    range: Annotated[
        Literal["today", "7", "30", "90", "custom"], Meta(description="Today, the last days, or `first` to `last`.")
    ] = "30"
    first: IsoDay = ""
    last: IsoDay = ""
    compare: Annotated[
        Literal["holdback", "before"], Meta(description="With the holdback, or with the same days before.")
    ] = "holdback"
    detail: Annotated[Detail, Meta(description="`detailed` adds days, methods and customers.")] = "summary"
    format: Annotated[ReportKind, Meta(description="The file to answer.")] = "json"


@get(
    "/v1/placements/{placement:str}/report",
    **Operation(
        "Learning",
        "Get the overview as a report",
        {200: Answer("The report", OverviewReport, files=(MEDIA["csv"], MEDIA["pdf"]))},
        "The numbers of the overview page, with what they are compared with and the 95% interval. A tier may limit the "
        "reports of a month.",
        query=ReportQuery,
        errors=(404, 429),
    ).route(),
)
async def placement_report(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    parameters: NamedDependency[ReportQuery],
) -> Response[bytes]:
    configuration = await engine.catalogue.configuration(access.merchant.id)
    document = configuration.get("placement", "", placement).document
    reader = MerchantReader(engine, access.merchant)
    period = OverviewPeriod.of(msgspec.structs.asdict(parameters), reader.show)
    overview = Overview(reader, configuration, document, period)
    if parameters.range == "custom" and not (parameters.first and parameters.last):
        raise invalid("first", "the range “custom” needs “first” and “last”")
    if period.problem:
        raise invalid("first", period.problem.partition(".")[0])
    async with engine.tiers.export(access.merchant):
        file = await report_file(overview, parameters.format, parameters.detail)
    named = {} if parameters.format == "json" else {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media, headers=NO_STORE | named)


handlers = [placement_report]
