"""Layers on a page: experiments in one layer never share a customer, so each takes a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.experiments.layers import LayerUse, layers_of
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from web.format import Show


@dataclass(frozen=True)
class LayerBar:
    """The part of a layer that an experiment takes; `start` and `width` are percentages, for the bar."""

    name: str
    href: str
    share: str
    number: int
    start: str
    width: str


@dataclass(frozen=True)
class LayerView:
    """A layer of a placement with the experiments in it."""

    name: str
    placement: str
    parts: Sequence[LayerBar]
    free: str


def layer_views(resources: Sequence[Resource], placements: Mapping[str, str], base: str, show: Show) -> list[LayerView]:
    """Return the layers in which an experiment is open; `placements` are names by key."""
    views = []
    for key in sorted({resource.placement for resource in resources}):
        documents = {each.id: each.document for each in resources if each.placement == key}
        address = f"{base}/experiments/{key}"
        views += [
            LayerView(use.layer, placements.get(key, key), _bars(use, documents, address, show), free_text(use, show))
            for use in layers_of(list(documents.values()))
            if use.parts
        ]
    return views


def _bars(use: LayerUse, documents: Mapping[str, Experiment], address: str, show: Show) -> list[LayerBar]:
    return [
        LayerBar(
            name=documents[part.experiment].name,
            href=f"{address}/{part.experiment}",
            share=show.percent(part.share, digits=0),
            number=number,
            start=f"{100 * part.begins:.2f}",
            width=f"{100 * part.share:.2f}",
        )
        for number, part in enumerate(use.parts)
    ]


def free_text(use: LayerUse, show: Show) -> str:
    """Return how much of a layer is free, and the largest experiment that still fits."""
    if not use.free:
        return "Nothing is free"
    text = f"{show.percent(use.free, digits=0)} free"
    return text if use.largest_free == use.free else f"{text}, {show.percent(use.largest_free, digits=0)} in one piece"
