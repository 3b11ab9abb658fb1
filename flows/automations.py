"""What Prefect's server does by itself when a run dies: it is found, and goes on where it stopped.

    crash → Crashed → AwaitingRetry → the same run again, with its parameters and its id, so with its seed and its parts

A flow's process that dies under a worker is Crashed at once. One that dies with its worker is found by its silence:
deployments send a heartbeat every 30 seconds (PREFECT_FLOWS_HEARTBEAT_FREQUENCY in prefect.yaml).
"""

from datetime import timedelta
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
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
ENDED = ("AwaitingRetry", "Completed", "Failed", "Cancelling", "Cancelled")

_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}


def _nothing_follows(
    after: str, expected: tuple[str, ...], within: timedelta, counts: range | None = None
) -> EventTrigger:
    """For each of our runs to which none of `expected` happens in time; counts: of how often it has begun."""
    counted = {} if counts is None else {"prefect.run-count": [str(count) for count in counts]}
    return EventTrigger(
        after={f"prefect.flow-run.{after}"},
        expect={f"prefect.flow-run.{name}" for name in expected},
        match=ResourceSpecification({**_RUNS, **counted}),
        match_related=ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}"}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _goes_on(why: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message=why)


AUTOMATIONS = (
    AutomationCore(
        name="katflow: a silent run has crashed",
        description=f"No heartbeat for {SILENCE.seconds} seconds, and no end: its process, or its machine, is gone.",
        trigger=_nothing_follows("heartbeat", ("heartbeat", *ENDED), SILENCE),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="It has sent no heartbeat for two minutes.")],
    ),
    AutomationCore(
        name="katflow: a run that never began is repeated",
        description=f"A worker took it up {START.seconds} seconds ago: its process, or the machine, is gone.",
        trigger=_nothing_follows("Pending", ("Running", "Crashed", "heartbeat", *ENDED), START),
        actions=[_goes_on("It was taken up, and never began.")],
    ),
    AutomationCore(
        name="katflow: a crashed run goes on",
        description=f"The same run is scheduled again, at most {RETRIES} times; finished parts are found done.",
        trigger=_nothing_follows(
            "Crashed", ("AwaitingRetry", "Pending", "Running", "Cancelled"), PAUSE, range(1, RETRIES + 1)
        ),
        actions=[_goes_on("It crashed, and goes on where it stopped.")],
    ),
)


def apply(client: SyncPrefectClient) -> None:
    """Bring the server's automations to what stands here; others are left alone."""
    for wanted in AUTOMATIONS:
        known = client.read_automations_by_name(wanted.name)
        for old in known[1:]:
            client.delete_automation(old.id)
        if not known:
            client.create_automation(wanted)
        elif _told(known[0]) != _told(wanted):
            client.update_automation(known[0].id, wanted)


def _told(automation: AutomationCore) -> dict[str, Any]:
    """What decides what it does, its sets as sets; not the ids that a server gives it and that its waiting hangs on."""
    return automation.model_dump(exclude={"id": True, "trigger": {"id"}})
