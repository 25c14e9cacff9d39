"""What is asked for when a pressure is read or a tank is filled, at the board as on the driver's page.

Owns: these inputs and the reasons of a refill. Holds: data only. May import live.boards.board.
"""

from dataclasses import replace

from app.live.boards.board import Choice, Input

PRESSURE = Input(name="psiLevel", label="Pressure", kind="number", unit="psi", required=True, minimum=0, maximum=3000)
BEFORE = replace(PRESSURE, name="psiBefore", label="Before", default="psiLevel")
AFTER = replace(PRESSURE, name="psiAfter", label="After")

REASONS = (
    Choice(value="routine", label="Routine"),
    Choice(value="low pressure", label="Low pressure"),
    Choice(value="will-call", label="Will-call"),
    Choice(value="after hours", label="After hours"),
    Choice(value="correction", label="Correction of an earlier entry"),
)
REASON = Input(name="refillReason", label="Reason", kind="choice", required=True, choices=REASONS)
REMARKS = Input(name="remarks", label="Remarks", kind="note")
