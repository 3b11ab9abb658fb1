"""What Prefect's server does by itself when a run dies: it is found, and goes on where it stopped.

    crash → Crashed → AwaitingRetry → the same run again, with its parameters and its id, so with its seed and its parts

A flow's process that dies under a worker is Crashed at once. One that dies with its worker is found by its silence:
deployments send a heartbeat every 30 seconds (PREFECT_FLOWS_HEARTBEAT_FREQUENCY in prefect.yaml). What a person has
cancelled, or what has completed meanwhile, ends when its repeat begins (`flows.deployed`).
"""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CancelFlowRun, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

TAG = "katflow"
"""Of every deployment in prefect.yaml: what others run on the same server is left alone."""
SILENCE = timedelta(seconds=120)
PAUSE = timedelta(seconds=30)
"""A worker reports a death twice, seconds apart: a run that went on before would be called crashed again."""
START = timedelta(seconds=180)
"""In which a run that a worker has taken up begins: it imports for seconds, on a busy machine for a minute."""
RETRIES = 3
LONGEST = timedelta(days=7)
"""That a run may take: `full` is a day or two on CPUs, and what hangs (a network folder that is gone) still beats."""
PREFIX = "katflow: "
"""Of the names of what stands here, so that what stood here once can be told and goes."""
SLOT_TAKEN = "Deployment concurrency limit reached."
"""Of Prefect 3.8.8, with CANCEL_NEW: the state of a run that finds another of its deployment running."""
ALIVE = ("Running", "heartbeat")
"""A run may die, or its machine, between its beginning and its first heartbeat."""
ENDED = ("Completed", "Failed", "Cancelling", "Cancelled")


def _of_ours(
    expected: tuple[str, ...],
    within: timedelta,
    *,
    after: tuple[str, ...] = (),
    counts: range | None = None,
    message: str | None = None,
    times: int = 1,
) -> EventTrigger:
    """For each of our runs: one of `expected` comes so many times within; with `after`, none comes in time after it.

    counts: of how often it has begun. What an automation does is never among what it waits for: Prefect 3.8.8 would
    evaluate it by that event once more while it fires, and do it twice.
    """
    labels: dict[str, str | list[str]] = {"prefect.resource.id": "prefect.flow-run.*"}
    if counts is not None:
        labels["prefect.run-count"] = [str(count) for count in counts]
    if message is not None:
        labels["prefect.state-message"] = message
    return EventTrigger(
        after={f"prefect.flow-run.{name}" for name in after},
        expect={f"prefect.flow-run.{name}" for name in expected},
        match=ResourceSpecification(labels),
        match_related=ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}"}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive if after else Posture.Reactive,
        threshold=times,
        within=within,
    )


def _goes_on(why: str, name: str = "AwaitingRetry") -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.SCHEDULED, name=name, message=why)


AUTOMATIONS = (
    AutomationCore(
        name=f"{PREFIX}a silent run has crashed",
        description=f"No heartbeat for {SILENCE.seconds} seconds, and no end: its process, or its machine, is gone.",
        trigger=_of_ours((*ALIVE, "AwaitingRetry", *ENDED), SILENCE, after=ALIVE),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="It has sent no heartbeat for two minutes.")],
    ),
    AutomationCore(
        name=f"{PREFIX}a run that never began is repeated",
        description=f"A worker took it up {START.seconds} seconds ago: its process, or the machine, is gone.",
        trigger=_of_ours((*ALIVE, "Crashed", *ENDED), START, after=("Pending",)),
        actions=[_goes_on("It was taken up, and never began.")],
    ),
    AutomationCore(
        name=f"{PREFIX}a run that is repeated in vain has failed",
        description=f"It was to be repeated more than {RETRIES} times within an hour: it dies or hangs in imports.",
        trigger=_of_ours(("AwaitingRetry",), timedelta(hours=1), counts=range(RETRIES + 1), times=RETRIES + 1),
        actions=[
            ChangeFlowRunState(
                state=StateType.FAILED,
                message=f"It was repeated {RETRIES} times in vain: see the worker's log for why it does not begin.",
            )
        ],
    ),
    AutomationCore(
        name=f"{PREFIX}a crashed run goes on",
        description=f"The same run is scheduled again, at most {RETRIES} times; finished parts are found done.",
        trigger=_of_ours(
            ("Pending", "Running", *ENDED),
            PAUSE,
            after=("Crashed",),
            counts=range(RETRIES + 1),
        ),
        actions=[_goes_on("It crashed, and goes on where it stopped.")],
    ),
    AutomationCore(
        name=f"{PREFIX}a crashed run waits for its place",
        description="Another run of its deployment took the place meanwhile; only what had not begun is cancelled.",
        trigger=_of_ours(("Cancelled",), timedelta(0), counts=range(1, RETRIES + 1), message=SLOT_TAKEN),
        actions=[_goes_on("It crashed, and waits for its deployment's other run to end.", "AwaitingPlace")],
    ),
    AutomationCore(
        name=f"{PREFIX}a run that does not end is cancelled",
        description=f"It has been Running for {LONGEST.days} days.",
        trigger=_of_ours(("Crashed", "AwaitingRetry", *ENDED), LONGEST, after=("Running",)),
        actions=[CancelFlowRun()],
    ),
)


def apply(client: SyncPrefectClient) -> None:
    """Bring the server's automations to what stands here; others, and pauses, are left alone."""
    names = {wanted.name for wanted in AUTOMATIONS}
    for old in client.read_automations():
        if old.name.startswith(PREFIX) and old.name not in names:
            client.delete_automation(old.id)
    for wanted in AUTOMATIONS:
        known = client.read_automations_by_name(wanted.name)
        for old in known[1:]:
            client.delete_automation(old.id)
        if not known:
            client.create_automation(wanted)
        elif _told(known[0]) != _told(wanted):
            client.update_automation(known[0].id, wanted.model_copy(update={"enabled": known[0].enabled}))


def _told(automation: AutomationCore) -> dict[str, Any]:
    """What decides what it does, its sets as sets; not the ids that a server gives it and that its waiting hangs on.

    Nor whether somebody has paused it.
    """
    return automation.model_dump(exclude={"id": True, "enabled": True, "trigger": {"id"}})
