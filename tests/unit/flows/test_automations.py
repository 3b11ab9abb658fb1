"""Automations that are applied again."""

import json
from uuid import uuid4

import pytest
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger

from flows.automations import AUTOMATIONS, _told


@pytest.mark.parametrize("wanted", AUTOMATIONS, ids=lambda automation: automation.name)
def test_the_order_in_which_a_server_lists_events_changes_nothing(wanted: AutomationCore) -> None:
    """An automation that is brought up to date forgets whom it waits for: a run that fell silent is never found."""
    listed = json.loads(wanted.model_dump_json())
    events = sorted(listed["trigger"]["expect"])
    for expect in (events, events[::-1], events[1:] + events[:1]):
        trigger = {**listed["trigger"], "id": str(uuid4()), "expect": expect}
        paused = {**listed, "id": uuid4(), "enabled": False, "trigger": trigger}
        assert _told(Automation.model_validate(paused)) == _told(wanted)
    trigger = {**listed["trigger"], "expect": [*expect, "another"]}
    assert _told(Automation.model_validate({**listed, "id": uuid4(), "trigger": trigger})) != _told(wanted)


@pytest.mark.parametrize("wanted", AUTOMATIONS, ids=lambda automation: automation.name)
def test_none_waits_for_what_it_does_itself(wanted: AutomationCore) -> None:
    """Such an event is evaluated while the automation still fires: a run was repeated twice for one crash."""
    (action,) = wanted.actions
    if isinstance(action, ChangeFlowRunState):
        assert isinstance(wanted.trigger, EventTrigger)
        assert f"prefect.flow-run.{action.name or action.state.value.title()}" not in wanted.trigger.expect
