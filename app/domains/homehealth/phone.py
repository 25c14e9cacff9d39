"""The technician's own page: today's visits in their order, the next step within the thumb's reach, parts and what was recorded.

Owns: `MY_VISITS`. Holds: data only; what is listed needs no filter by person, for a technician is shown their own alone. May
import live.boards.board and the lists of this domain.
"""

from typing import Final

from app.domains.homehealth.lists import AVAILABILITY, LABELS
from app.live.boards.board import Action, Input, Mine, Part

_ROLES: Final = ("technician",)

REASON: Final = Input(
    name="statusReason",
    label="Reason",
    kind="note",
    when=("status", "on_hold|no_show|open|cancelled"),
    hint="Why it waits, or what you found at the door.",
)

_STEP: Final = Action(
    key="step",
    label="Next step",
    icon="check",
    submit="Save",
    done="{clientName|description}: saved.",
    class_name="Job",
    updates=True,
    roles=_ROLES,
    place="technician.location",
    place_when=("in_progress", "done", "no_show"),
    inputs=(
        Input(
            name="status",
            label="Status",
            kind="state",
            required=True,
            leads=("assigned", "confirmed", "en_route", "in_progress", "done"),
            verbs={"assigned": "Accept", "open": "Decline"},
        ),
        REASON,
    ),
)
"""Where a visit begins and ends is where its technician is then; the log of the visit takes it from there."""

_RECORD: Final = Action(
    key="log",
    label="Record service",
    icon="note",
    submit="Record",
    done="{clientName|description}: recorded.",
    class_name="ServiceLog",
    roles=_ROLES,
    offered={"status": ["in_progress", "on_hold", "done"]},
    fixed={"job": "row", "technician": "technician", "serviceTime": "now"},
    place="location",
    inputs=(Input(name="description", label="What was done", kind="note", required=True),),
)

MY_VISITS: Final = Mine(
    name="visits",
    title="My visits",
    nav="My visits",
    roles=_ROLES,
    icon="home",
    parts=(
        Part(
            key="visits",
            label="Visits",
            class_name="Job",
            order="scheduledTime",
            keys=(
                "description",
                "status",
                "statusReason",
                "technician",
                "scheduledTime",
                "endsAt",
                "clientName",
                "address",
                "location",
                "priority",
                "urgency",
            ),
            where={"status": {"$nin": ["verified", "cancelled"]}},
            title="{clientName|description}",
            lines=("{description}", "{statusReason}"),
            status="status",
            tones={"missed": "filled", "no_show": "bad", "offered": "warn", "on_hold": "warn"},
            done=("done", "no_show"),
            at="scheduledTime",
            until="endsAt",
            place="address",
            point="location",
            actions=(_STEP, _RECORD),
            empty="No visit is planned for you.",
        ),
        Part(
            key="parts",
            label="Parts for these visits",
            class_name="PartsInventory",
            order="partName",
            keys=("partName", "quantity", "availability", "job"),
            include=("job",),
            title="{partName}",
            lines=("{quantity} left", "{job.clientName|job.description}"),
            actions=(
                Action(
                    key="take",
                    label="Take",
                    icon="box",
                    submit="Take",
                    done="{partName}: taken.",
                    class_name="PartsInventory",
                    updates=True,
                    roles=_ROLES,
                    offered={"availability": True},
                    inputs=(Input(name="quantity", label="How many", kind="amount", required=True, minimum=1),),
                ),
            ),
            empty="No part is set aside for your visits.",
        ),
        Part(
            key="me",
            label="Me",
            class_name="Technician",
            order="name",
            keys=("name", "availability", "locationAt"),
            title="{name}",
            status="availability",
            tones={"off_duty": "odd"},
            actions=(
                Action(
                    key="availability",
                    label="My availability",
                    icon="flag",
                    submit="Save",
                    done="{name}: saved.",
                    class_name="Technician",
                    updates=True,
                    roles=_ROLES,
                    shows={"availability": "availability"},
                    inputs=(
                        Input(
                            name="availability",
                            label="Availability",
                            kind="choice",
                            required=True,
                            default="availability",
                            choices=AVAILABILITY,
                        ),
                    ),
                ),
            ),
            empty="You are not on the list of technicians yet; ask a dispatcher.",
        ),
        Part(
            key="logs",
            label="What I recorded",
            kind="notes",
            class_name="ServiceLog",
            order="-serviceTime",
            keys=("description", "serviceTime", "job", "verification", "location"),
            include=("job",),
            title="{description}",
            lines=("{job.clientName|job.description}", "{verification}", "{location|=no place}"),
            at="serviceTime",
            limit=20,
            empty="Nothing is recorded yet.",
        ),
    ),
    labels=LABELS,
)
