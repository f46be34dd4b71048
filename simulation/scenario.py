"""Read a scenario from TOML: a world, the reporting of outcomes, and the policies to compare."""

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, assert_never

import msgspec
from msgspec import Meta

from simulation.errors import BadScenario
from simulation.worlds.checkout import METHODS
from simulation.worlds.specs import (
    BernoulliSpec,
    CascadeSpec,
    CheckoutSpec,
    ChurningSpec,
    Count,
    JumpingSpec,
    Kind,
    KindredSpec,
    LogisticSpec,
    NewMerchantSpec,
    PositionBasedSpec,
    Positive,
    Strict,
    WorldSpec,
)

# Reporting of outcomes.


class AtOnceSpec(Kind, frozen=True, tag="at_once"):
    """Report each outcome before the next visit."""


class BatchesSpec(Kind, frozen=True, tag="batches"):
    """Report outcomes together, after every `size` visits."""

    size: Count


class LateSpec(Kind, frozen=True, tag="late"):
    """Report outcomes `visits` visits late, successes and failures alike."""

    visits: Count


class TricklingSpec(Kind, frozen=True, tag="trickling"):
    """Report successes after an exponential time of that mean, those later than `window` visits never."""

    mean: Positive
    window: Count


ReportingSpec = AtOnceSpec | BatchesSpec | LateSpec | TricklingSpec


# Policies.


class _PolicySpec(Kind, frozen=True):
    name: str = ""


class FixedSpec(_PolicySpec, frozen=True, tag="fixed"):
    """Always the same order; by default that of the candidates."""

    order: tuple[Annotated[int, Meta(ge=0)], ...] = ()


class UniformSpec(_PolicySpec, frozen=True, tag="uniform"):
    """A random order."""


class TextbookSpec(_PolicySpec, frozen=True, tag="textbook"):
    """Thompson sampling with flat priors, a draw at each visit."""


class KlUcbSpec(_PolicySpec, frozen=True, tag="kl_ucb"):
    """The highest upper confidence bounds."""


class ThompsonSpec(_PolicySpec, frozen=True, tag="thompson"):
    """The product's policy. `cells`: each cell of the context learns separately, shrunk to the average. `peers`: start
    from the counts of other merchants.
    """

    floor: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    drawn: Count = 3
    draws: Annotated[int, Meta(ge=1, le=1_048_576)] = 1_024
    refresh: Count = 100
    window: Count | None = None
    day: Count = 250
    half_life_days: Positive | None = None
    restarts: bool = False
    by_slot: bool = False
    cells: bool = False
    peers: bool = False


class ContextualSpec(_PolicySpec, frozen=True, tag="contextual"):
    """The product's policy for worlds with features. `kinds`: the kind of each candidate is known."""

    floor: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    refresh: Count = 100
    window: Count | None = None
    kinds: bool = False


PolicySpec = FixedSpec | UniformSpec | TextbookSpec | KlUcbSpec | ThompsonSpec | ContextualSpec


class SimulationScenario(Strict, frozen=True):
    """`horizon` visits, played with the seeds 0 to `seeds` - 1."""

    name: str
    horizon: Annotated[int, Meta(ge=1, le=10_000_000)]
    seeds: Annotated[int, Meta(ge=1, le=10_000)]
    world: WorldSpec
    policies: Annotated[tuple[PolicySpec, ...], Meta(min_length=1)]
    reporting: ReportingSpec = msgspec.field(default=AtOnceSpec(), name="telling")

    def titles(self) -> list[str]:
        """Return the name of each policy; the default is its kind."""
        return [policy.name or kind_of(policy) for policy in self.policies]


def kind_of(part: WorldSpec | ReportingSpec | PolicySpec) -> str:
    return str(part.__struct_config__.tag)


def read(text: str) -> SimulationScenario:
    """Read a scenario from TOML. Raises BadScenario, which names the field and says what would be right."""
    try:
        scenario = msgspec.convert(tomllib.loads(text), SimulationScenario)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BadScenario(_named(str(error))) from None
    _check(scenario)
    return scenario


def _named(message: str) -> str:
    """Put the field before msgspec's message: `world.rates[0]: expected ...`."""
    problem, _, location = message.partition(" - at `")
    field = re.sub(r"^\$\.?|`$", "", location)
    problem = problem[:1].lower() + problem[1:].replace("`", "")
    return f"{field}: {problem}" if field else problem


def _check(scenario: SimulationScenario) -> None:
    for field, problem in (*_of_world(scenario.world), *_of_policies(scenario)):
        raise BadScenario(f"{field}: {problem}")


def _of_world(world: WorldSpec) -> Iterator[tuple[str, str]]:
    match world:
        case JumpingSpec(phases=phases) if len({len(rates) for rates in phases}) > 1:
            yield "world.phases", "every phase needs as many rates"
        case PositionBasedSpec(attraction=attraction, examination=examination) if len(examination) > len(attraction):
            yield "world.examination", f"there are {len(attraction)} candidates for {len(examination)} slots"
        case CascadeSpec(attraction=attraction, slots=slots) if slots > len(attraction):
            yield "world.slots", f"there are {len(attraction)} candidates for {slots} slots"
        case _:
            pass


def _of_policies(scenario: SimulationScenario) -> Iterator[tuple[str, str]]:
    arms = arms_of(scenario.world)
    for number, policy in enumerate(scenario.policies):
        match policy:
            case ContextualSpec() if not isinstance(scenario.world, LogisticSpec | KindredSpec):
                yield f"policies[{number}].kind", "contextual needs a world with features"
            case ContextualSpec(kinds=True) if not isinstance(scenario.world, KindredSpec):
                yield f"policies[{number}].kinds", "only kindred candidates are of kinds"
            case ThompsonSpec(peers=True) if not isinstance(scenario.world, NewMerchantSpec):
                yield f"policies[{number}].peers", "only a new merchant has peers"
            case FixedSpec(order=order) if order and sorted(order) != list(range(arms)):
                yield f"policies[{number}].order", f"needs each of 0 to {arms - 1} once"
            case _:
                pass
    if len(set(scenario.titles())) < len(scenario.policies):
        yield "policies", "each needs a name of its own"


def arms_of(world: WorldSpec) -> int:
    """Return the number of candidates."""
    match world:
        case BernoulliSpec() | NewMerchantSpec():
            return len(world.rates)
        case JumpingSpec():
            return len(world.phases[0])
        case ChurningSpec() | LogisticSpec() | KindredSpec():
            return world.arms
        case PositionBasedSpec() | CascadeSpec():
            return len(world.attraction)
        case CheckoutSpec():
            return len(METHODS)
        case _:
            assert_never(world)
