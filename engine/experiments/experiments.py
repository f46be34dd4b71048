"""Create, edit, start and end experiments. Every change is published like any other, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.emergencies import noting, refuse_without_reason
from engine.configuration.publisher import Approval, Edit, Publisher
from engine.experiments.checks import (
    BEGINS_A_PHASE,
    changed_fields,
    check_experiment,
    editable_while_running,
    free_offset,
    is_due,
)
from engine.experiments.ending.changes import changes_of_winner, has_winner, next_change
from engine.experiments.log_answers import answers_of
from engine.experiments.past.purchases import terms_before
from engine.model.actor import Actor
from engine.model.errors import Conflict, Forbidden, ReviewRequired, invalid
from engine.model.experiment import EarlierPhase, Experiment, ExperimentStatus, LogEstimate, State
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store import previews, resources
from engine.store.connection.database import Database
from engine.store.previews import PreviewRow

Step = Callable[[Configuration, Experiment], Experiment]


class Experiments:
    """The experiments of merchants. `Conflict` where the state does not allow an action."""

    def __init__(self, database: Database, configurations: ConfigurationCache, publisher: Publisher) -> None:
        self._database = database
        self._configurations = configurations
        self._publisher = publisher

    # Read

    async def page(self, merchant_id: int, placement: str) -> list[Resource]:
        """Return the experiments of a placement by id; raise `NotFound` for a missing placement."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            return await resources.page(connection, merchant_id, "experiment", placement)

    async def everywhere(self, merchant_id: int) -> list[Resource]:
        """Return the experiments of all placements, by placement and id."""
        configuration = await self._configurations.load(merchant_id)
        return [
            resource
            for placement in sorted(configuration.placements, key=lambda placement: placement.key)
            for resource in sorted(configuration.inside(placement.key), key=lambda resource: resource.id)
            if resource.kind == "experiment"
        ]

    async def of_all_merchants(self) -> list[tuple[int, Resource]]:
        """Return every experiment with its merchant's id."""
        async with self._database.read() as connection:
            return await resources.everywhere(connection, "experiment")

    async def get(self, merchant_id: int, placement: str, id: str) -> Resource:
        """Return one experiment; raise `NotFound` where there is none."""
        async with self._database.read() as connection:
            return await resources.get(connection, merchant_id, "experiment", placement, id)

    # Edit

    async def create(self, actor: Actor, placement: str, document: Experiment) -> Resource:
        """Store a new experiment as a draft; its status is set here, whatever the document says."""
        document = msgspec.structs.replace(document, status=ExperimentStatus(authors=actor.added_to(())))

        def edit(configuration: Configuration) -> list[Change]:
            configuration.get("placement", "", placement)
            if configuration.find("experiment", placement, document.id) is not None:
                raise Conflict(f"there is already an experiment “{document.id}”", field="id")
            check_experiment(configuration, placement, document)
            return [Change(None, Resource("experiment", placement, document.id, 1, document, now_ms()))]

        return (await self._publisher.publish(actor, edit)).changes[0].resource

    async def update(
        self, actor: Actor, placement: str, id: str, document: Experiment, *, version: int | None
    ) -> Resource:
        """Replace a draft; once units are enrolled, only name, notes, guardrails and the latest end may change.

        A change of split, share or audience begins a new phase. Raise `Stale` unless it is at `version` (None: any).
        """

        def change(configuration: Configuration, old: Experiment) -> Experiment:
            changed, status = changed_fields(old, document), old.status
            if document.id != id:
                raise Conflict(f"the id of an experiment cannot change: “{id}”, not “{document.id}”", field="id")
            if status.state in ("concluded", "archived", "stopped"):
                raise Conflict(f"the experiment is {status.state}; copy it to change it", field="status")
            if status.state in ("running", "paused"):
                fixed = sorted(changed - editable_while_running(old) - set(BEGINS_A_PHASE))
                if fixed:
                    raise Conflict(f"customers are enrolled already, so {fixed[0]} cannot change", field=fixed[0])
                if changed & set(BEGINS_A_PHASE):
                    others = configuration.documents("experiment", placement)
                    status = _next_phase(old, _offset(msgspec.structs.replace(document, status=status), others))
                if "audience" in changed:
                    # The log was asked about another audience.
                    status = msgspec.structs.replace(status, log=())
            else:
                status = ExperimentStatus(authors=actor.added_to(status.authors))
            updated = msgspec.structs.replace(document, status=status)
            check_experiment(configuration, placement, updated, changed=changed if status.started_at else None)
            return updated

        return await self._change(actor, (placement, id), change, version=version)

    async def delete(self, actor: Actor, placement: str, id: str, *, version: int | None) -> None:
        """Delete an experiment in which nobody was ever enrolled; others can be archived."""

        def edit(configuration: Configuration) -> list[Change]:
            old = configuration.get("experiment", placement, id, version=version)
            if old.document.status.started_at is not None:
                raise Conflict("customers were enrolled in this experiment; archive it instead", field="status")
            return [Change(old, None)]

        await self._publisher.publish(actor, edit)

    # Review

    async def ask(self, actor: Actor, placement: str, id: str) -> Resource:
        """Ask for a second person's approval of a draft."""
        if not actor.person:
            raise Forbidden("A key that acts for no person cannot request a review.")

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "draft", "in_review")
            return _moved(old, state="in_review", asked_by=actor.person)

        return await self._change(actor, (placement, id), change)

    async def approve(self, actor: Actor, placement: str, id: str) -> Resource:
        """Approve a start; `Forbidden` for whoever asked or changed anything in it."""

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "in_review")
            if not actor.person:
                raise Forbidden("A key cannot approve an experiment.")
            if actor.person == old.status.asked_by or actor.person in old.status.authors:
                raise Forbidden(
                    "You requested this review or changed the experiment, so another person must approve it."
                )
            return _moved(old, state="approved", approved_by=actor.person)

        return await self._change(actor, (placement, id), change)

    async def schedule(self, actor: Actor, placement: str, id: str) -> Resource:
        """Let a draft begin by itself at `starts_at`; `ReviewRequired` where a second person must approve instead."""

        def change(configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "draft")
            if configuration.review:
                raise ReviewRequired("a second person must approve this experiment before it starts")
            if old.starts_at is None:
                raise Conflict("the experiment has no planned start", field="starts_at")
            if is_due(old, now_ms()):
                raise Conflict("the planned start is over: start it now, or plan a later start", field="starts_at")
            check_experiment(configuration, placement, old)
            return _moved(old, state="approved")

        return await self._change(actor, (placement, id), change)

    async def send_back(self, actor: Actor, placement: str, id: str) -> Resource:
        """Make it a draft again."""

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "in_review", "approved")
            return _moved(old, state="draft", asked_by="", approved_by="")

        return await self._change(actor, (placement, id), change)

    # Run

    async def start(self, actor: Actor, placement: str, id: str, *, reason: str = "") -> Resource:
        """Enrol units from now on; `ReviewRequired` where a second person must approve first.

        What the log said until now is kept where it counts, and the largest amounts that count are fixed, so that they
        stay what they were before the first unit.
        """
        async with self._database.read() as connection:
            stored_previews = await previews.of_experiment(connection, actor.merchant_id, placement, id)
        caps, margin = await terms_before(self._database, actor.merchant_id, placement, now=now_ms())

        def change(configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "draft", "approved", "in_review")
            if configuration.review and not (old.status.state == "approved" and old.status.approved_by):
                raise ReviewRequired("a second person must approve this experiment before it starts")
            check_experiment(configuration, placement, old)
            offset, now = _offset(old, configuration.documents("experiment", placement)), now_ms()
            log = _log_of(configuration, placement, old, stored_previews)
            begun = _moved(old, state="running", offset=offset, started_at=now, phase_started_at=now, reason=reason)
            return _moved(begun, log=log, caps=caps, measured=old.metrics, margin_percent=margin)

        return await self._change(actor, (placement, id), change, reason=reason, approval="given")

    async def pause(self, actor: Actor, placement: str, id: str, *, reason: str) -> Resource:
        """Give everybody the control until it is resumed."""
        return await self._take_out(actor, (placement, id), "paused", ("running",), reason)

    async def resume(self, actor: Actor, placement: str, id: str, *, reason: str = "") -> Resource:
        """Go on after a pause: the same units get the same variants."""

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "paused")
            return _moved(old, state="running", reason=reason)

        return await self._change(actor, (placement, id), change, reason=reason, approval="given")

    async def stop(self, actor: Actor, placement: str, id: str, *, reason: str) -> Resource:
        """End it without a winner: everybody gets the control until it is concluded or archived."""
        return await self._take_out(actor, (placement, id), "stopped", ("running", "paused"), reason)

    async def conclude(self, actor: Actor, placement: str, id: str, *, winner: str, reason: str) -> Resource:
        """End it, and publish what the winning variant changes; `winner` is a variant's id.

        The approval of the start covers what the winner changes.
        """
        refuse_without_reason(reason, field="reason")

        def edit(configuration: Configuration) -> list[Change]:
            resource = configuration.get("experiment", placement, id)
            old: Experiment = resource.document
            _expect(old, "running", "paused", "stopped")
            variants = {variant.id: variant for variant in old.variants}
            if winner not in variants:
                raise invalid("winner", f"there is no variant “{winner}”")
            began = old.status.phase_started_at or now_ms()
            if old.status.state == "running" and now_ms() - began < old.minimum_days * DAY and winner != old.control.id:
                raise Conflict(f"it runs for at least {old.minimum_days} days before a variant can win", field="winner")
            done = _moved(old, state="concluded", winner=winner, reason=reason, ended_at=now_ms())
            applied = changes_of_winner(configuration, placement, old, winner)
            if applied and configuration.review and not old.status.approved_by:
                raise ReviewRequired("nobody approved this experiment, so only its control can win")
            return [*applied, next_change(resource, done)]

        return (await self._publisher.publish(actor, edit, reason=reason, approval="given")).changes[-1].resource

    async def propose(self, actor: Actor, placement: str, id: str, *, winner: str, reason: str, note: str) -> Resource:
        """End it with a winner whose changes a second person must approve: until then everybody gets the control.

        The audit log also has the `note`, which says where the changes are now.
        """

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "running", "stopped")
            return _moved(old, state="stopped", winner=winner, reason=reason, ended_at=old.status.ended_at or now_ms())

        return await self._change(actor, (placement, id), change, reason=f"{reason}; {note}", approval="given")

    async def complete(self, actor: Actor, placement: str, id: str, *, reason: str) -> Resource:
        """Conclude it for its proposed winner; `Conflict` where not all that the winner changes is in force."""

        def change(configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "stopped")
            if not old.status.winner or not has_winner(configuration, placement, old):
                raise Conflict("what the winner changes is not in force", field="winner")
            return _moved(old, state="concluded")

        return await self._change(actor, (placement, id), change, reason=reason, approval="given")

    async def archive(self, actor: Actor, placement: str, id: str) -> Resource:
        """Take an ended experiment or a draft off the list; nothing of it decides any more."""

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "draft", "in_review", "approved", "stopped", "concluded")
            return _moved(old, state="archived", before_archive=old.status.state)

        return await self._change(actor, (placement, id), change, approval="given")

    async def restore(self, actor: Actor, placement: str, id: str) -> Resource:
        """Put an archived experiment back on the list; one that was stopped comes back as concluded for the control."""

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, "archived")
            state = old.status.before_archive or "draft"
            if state == "stopped":
                return _moved(old, state="concluded", winner=old.control.id, before_archive=None)
            return _moved(old, state=state, before_archive=None)

        return await self._change(actor, (placement, id), change)

    async def _take_out(
        self, actor: Actor, address: tuple[str, str], state: State, states: Sequence[State], reason: str
    ) -> Resource:
        """Give everybody the control at once, as an emergency: nobody else need approve it."""
        refuse_without_reason(reason, field="reason")

        def change(_configuration: Configuration, old: Experiment) -> Experiment:
            _expect(old, *states)
            return _moved(old, state=state, reason=reason, ended_at=now_ms() if state == "stopped" else None)

        placement, id = address
        edit = _edit(placement, id, change)
        also = noting(actor, placement, f"{state} experiment {id}", reason)
        published = await self._publisher.publish(actor, edit, reason=reason, approval="emergency", also=also)
        return published.changes[0].resource

    async def _change(
        self,
        actor: Actor,
        address: tuple[str, str],
        step: Step,
        *,
        version: int | None = None,
        reason: str = "",
        approval: Approval = "needed",
    ) -> Resource:
        edit = _edit(*address, step, version=version)
        return (await self._publisher.publish(actor, edit, reason=reason, approval=approval)).changes[0].resource


def _log_of(
    configuration: Configuration, placement: str, document: Experiment, stored_previews: Sequence[PreviewRow]
) -> tuple[LogEstimate, ...]:
    """Return what the log says of the variants, where the experiment counts it."""
    if not document.counts_log:
        return ()
    reward = configuration.get("placement", "", placement).document.reward
    estimates = (answer.estimate for answer in answers_of(document, reward, stored_previews))
    return tuple(estimate for estimate in estimates if estimate is not None)


def _edit(placement: str, id: str, step: Step, *, version: int | None = None) -> Edit:
    """Return the edit that replaces an experiment by what `step` makes of it."""

    def edit(configuration: Configuration) -> list[Change]:
        resource = configuration.get("experiment", placement, id, version=version)
        return [next_change(resource, step(configuration, resource.document))]

    return edit


def _offset(document: Experiment, others: Sequence[Experiment]) -> float:
    """Return where the experiment's part of its layer begins; raise `Conflict` where the layer is full."""
    offset = free_offset(document, others)
    if offset is None:
        raise Conflict(
            f"other experiments use the layer “{document.layer}”: lower the share, or use another layer",
            field="share",
        )
    return offset


def _next_phase(old: Experiment, offset: float) -> ExperimentStatus:
    """Return the status of a new phase; results of the one before stay."""
    now, status = now_ms(), old.status
    past = EarlierPhase(
        phase=status.phase,
        started_at=status.phase_started_at or now,
        ended_at=now,
        share=old.share,
        weights=tuple(variant.weight for variant in old.variants),
        audience=old.audience,
    )
    return msgspec.structs.replace(
        status, phase=status.phase + 1, phase_started_at=now, offset=offset, earlier=(*status.earlier, past)
    )


def _expect(document: Experiment, *states: State) -> None:
    state = document.status.state
    if state not in states:
        words = {"draft": "a draft", "in_review": "in review"}
        raise Conflict(f"the experiment is {words.get(state, state)}", field="status")


def _moved(document: Experiment, **changes: object) -> Experiment:
    return msgspec.structs.replace(document, status=msgspec.structs.replace(document.status, **changes))
