"""A scenario: a world, when its outcomes are told, and the policies that are to be compared in it; read from TOML."""

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, assert_never

import msgspec
from msgspec import Meta, Struct

from simulation.errors import BadScenario
from simulation.worlds.checkout import METHODS

Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0, le=1)]
Inside = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Rates = Annotated[tuple[Rate, ...], Meta(min_length=1)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class _Kind(_Strict, frozen=True, tag_field="kind"):
    pass


# Worlds.


class Bernoulli(_Kind, frozen=True, tag="bernoulli"):
    """One slot, fixed rates."""

    rates: Rates


class Jumping(_Kind, frozen=True, tag="jumping"):
    """One slot; the rates of each phase hold for an equal part of the horizon."""

    phases: Annotated[tuple[Rates, ...], Meta(min_length=2)]


class Churning(_Kind, frozen=True, tag="churning"):
    """One slot; candidates leave, and new ones, with rates from Beta(alpha, beta), take their places."""

    arms: Annotated[int, Meta(ge=2)]
    churn: Rate
    alpha: Positive
    beta: Positive


class PositionBased(_Kind, frozen=True, tag="position_based"):
    """A candidate is chosen with its attraction times the examination of its slot."""

    attraction: Rates
    examination: Rates


class Cascade(_Kind, frozen=True, tag="cascade"):
    """The customer takes the first that pleases."""

    attraction: Rates
    slots: Count


class Logistic(_Kind, frozen=True, tag="contextual"):
    """One slot; rates are logistic in the features of the visit. Another world for each seed."""

    arms: Annotated[int, Meta(ge=2)]
    features: Count
    bias: float = 0.0
    spread: Positive = 1.0


class Kindred(_Kind, frozen=True, tag="kindred"):
    """As contextual, but candidates are of kinds, around whose weights their own lie, come and go."""

    arms: Annotated[int, Meta(ge=2)]
    features: Count
    kinds: Count
    bias: float = 0.0
    spread: Positive = 1.0
    own: Positive = 0.5
    churn: Rate = 0.0


class NewMerchant(_Kind, frozen=True, tag="new_merchant"):
    """One slot; what other merchants counted is known. The new one's rates are like theirs, or in reverse."""

    rates: Annotated[tuple[Inside, ...], Meta(min_length=2)]
    strength: Positive
    others: Count = 20
    trials: Count = 2_000
    unlike: bool = False


class Checkout(_Kind, frozen=True, tag="shoppers"):
    """The demo's shoppers, who look at a list of payment methods. Cells are countries."""

    seconds: Positive = 1.0


World = Bernoulli | Jumping | Churning | PositionBased | Cascade | Logistic | Kindred | NewMerchant | Checkout


# When outcomes are told.


class AtOnce(_Kind, frozen=True, tag="at_once"):
    """Before the next visit."""


class Batches(_Kind, frozen=True, tag="batches"):
    """Together, after every `size` visits."""

    size: Count


class Late(_Kind, frozen=True, tag="late"):
    """`visits` later, successes and failures alike."""

    visits: Count


class Trickling(_Kind, frozen=True, tag="trickling"):
    """Successes after an exponential time of that mean; what did not come within `window` visits never comes."""

    mean: Positive
    window: Count


Telling = AtOnce | Batches | Late | Trickling


# Policies.


class _Policy(_Kind, frozen=True):
    name: str = ""


class Fixed(_Policy, frozen=True, tag="fixed"):
    """Always the same order, as candidates are listed unless given."""

    order: tuple[Annotated[int, Meta(ge=0)], ...] = ()


class Uniform(_Policy, frozen=True, tag="uniform"):
    """Chance."""


class Textbook(_Policy, frozen=True, tag="textbook"):
    """Thompson sampling with flat priors, a draw at each visit."""


class KlUcb(_Policy, frozen=True, tag="kl_ucb"):
    """The highest upper confidence bounds."""


class Thompson(_Policy, frozen=True, tag="thompson"):
    """The product's own. `cells`: the cells of the context learn apart, each shrunk to all. `peers`: start from what
    other merchants counted."""

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


class Contextual(_Policy, frozen=True, tag="contextual"):
    """The product's own, for worlds with features. `kinds`: it is told which kind each candidate is of."""

    floor: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    refresh: Count = 100
    window: Count | None = None
    kinds: bool = False


Policy = Fixed | Uniform | Textbook | KlUcb | Thompson | Contextual


class Scenario(_Strict, frozen=True):
    """`horizon` visits, played on seeds 0 to `seeds` - 1."""

    name: str
    horizon: Annotated[int, Meta(ge=1, le=10_000_000)]
    seeds: Annotated[int, Meta(ge=1, le=10_000)]
    world: World
    policies: Annotated[tuple[Policy, ...], Meta(min_length=1)]
    telling: Telling = AtOnce()

    def titles(self) -> list[str]:
        """What each policy is called: its own name, or its kind."""
        return [one.name or kind_of(one) for one in self.policies]


def kind_of(part: World | Telling | Policy) -> str:
    return str(part.__struct_config__.tag)


def read(text: str) -> Scenario:
    """Raises BadScenario, which names the field and says what would be right."""
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(f"not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BadScenario(_named(str(error))) from None
    _check(scenario)
    return scenario


def _named(message: str) -> str:
    """msgspec's words, the field first: `world.rates[0]: expected ...`."""
    said, _, where = message.partition(" - at `")
    field = re.sub(r"^\$\.?|`$", "", where)
    said = said[:1].lower() + said[1:].replace("`", "")
    return f"{field}: {said}" if field else said


def _check(scenario: Scenario) -> None:
    for field, problem in (*_of_world(scenario.world), *_of_policies(scenario)):
        raise BadScenario(f"{field}: {problem}")


def _of_world(world: World) -> Iterator[tuple[str, str]]:
    match world:
        case Jumping(phases=phases) if len({len(rates) for rates in phases}) > 1:
            yield "world.phases", "every phase needs as many rates"
        case PositionBased(attraction=attraction, examination=examination) if len(examination) > len(attraction):
            yield "world.examination", f"there are {len(attraction)} candidates for {len(examination)} slots"
        case Cascade(attraction=attraction, slots=slots) if slots > len(attraction):
            yield "world.slots", f"there are {len(attraction)} candidates for {slots} slots"
        case _:
            pass


def _of_policies(scenario: Scenario) -> Iterator[tuple[str, str]]:
    arms = arms_of(scenario.world)
    for number, policy in enumerate(scenario.policies):
        match policy:
            case Contextual() if not isinstance(scenario.world, Logistic | Kindred):
                yield f"policies[{number}].kind", "contextual needs a world with features"
            case Contextual(kinds=True) if not isinstance(scenario.world, Kindred):
                yield f"policies[{number}].kinds", "only kindred candidates are of kinds"
            case Thompson(peers=True) if not isinstance(scenario.world, NewMerchant):
                yield f"policies[{number}].peers", "only a new merchant has peers"
            case Fixed(order=order) if order and sorted(order) != list(range(arms)):
                yield f"policies[{number}].order", f"needs each of 0 to {arms - 1} once"
            case _:
                pass
    if len(set(scenario.titles())) < len(scenario.policies):
        yield "policies", "each needs a name of its own"


def arms_of(world: World) -> int:
    """How many candidates there are."""
    match world:
        case Bernoulli() | NewMerchant():
            return len(world.rates)
        case Jumping():
            return len(world.phases[0])
        case Churning() | Logistic() | Kindred():
            return world.arms
        case PositionBased() | Cascade():
            return len(world.attraction)
        case Checkout():
            return len(METHODS)
        case _:
            assert_never(world)
