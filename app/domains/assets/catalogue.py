"""The invented hospital of the demo: makers, models, buildings, rooms, people, words of work orders. Every maker is made up,
so that no real product is said to have failed; labels use the GS1 prefix kept for examples. Imports nothing.
"""

from dataclasses import dataclass
from typing import Final

PEOPLE: Final = (
    # username, name, role, department
    ("sofia.marchetti", "Sofia Marchetti", "biomed", None),
    ("henrik.aaltonen", "Henrik Aaltonen", "biomed", None),
    ("olumide.bello", "Olumide Bello", "technician", None),
    ("mateo.villanueva", "Mateo Villanueva", "technician", None),
    ("jun.watanabe", "Jun Watanabe", "technician", None),
    ("ingrid.solheim", "Ingrid Solheim", "departmentManager", "ICU"),
    ("damon.prescott", "Damon Prescott", "departmentManager", "Emergency"),
    ("wren.gallagher", "Wren Gallagher", "nurse", "ICU"),
    ("idris.kamara", "Idris Kamara", "nurse", "Emergency"),
    ("beatriz.nunes", "Beatriz Nunes", "nurse", "Surgery"),
)

FACILITIES: Final = (
    # code, name, campus, floors
    ("MAIN", "Main Tower", "Harborview campus", 9),
    ("PAV", "Outpatient Pavilion", "Harborview campus", 4),
    ("RIV", "Riverside Hospital", "Riverside campus", 5),
)

DEPARTMENTS: Final = (
    # facility, department, wing, floor, kind of room, rooms
    ("MAIN", "ICU", "East", 5, "Room", 14),
    ("MAIN", "Emergency", "Ground", 1, "Bay", 12),
    ("MAIN", "Surgery", "North", 3, "OR", 8),
    ("MAIN", "NICU", "West", 6, "Pod", 6),
    ("MAIN", "Ward 4", "East", 4, "Room", 16),
    ("MAIN", "Cardiology", "North", 7, "Room", 8),
    ("PAV", "Radiology", "Ground", 1, "Suite", 5),
    ("PAV", "Dialysis", "South", 2, "Chair", 10),
    ("RIV", "Riverside ICU", "East", 3, "Room", 8),
    ("RIV", "Riverside Emergency", "Ground", 1, "Bay", 6),
)
STORE: Final = "Equipment store"
WORKSHOP: Final = "Biomedical workshop"
DECONTAMINATION: Final = "Decontamination"
SHARED_PLACES: Final = (
    # name, type, department
    (STORE, "store", None),
    (WORKSHOP, "workshop", "Biomedical Engineering"),
    (DECONTAMINATION, "decontamination", "Sterile Processing"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One model of equipment: how many, how grave, how often serviced, how often it fails a year, where it is used."""

    tag: str
    name: str
    category: str
    manufacturer: str
    model: str
    criticality: str
    days: int
    count: int
    failures: float
    departments: tuple[str, ...]
    item: int


CATALOGUE: Final = (
    Kind(
        "VENT",
        "Ventilator",
        "ventilator",
        "Aurelia Respiratory",
        "AR-840",
        "critical",
        180,
        22,
        0.5,
        ("ICU", "Riverside ICU"),
        101,
    ),
    Kind(
        "ANES", "Anesthesia machine", "anesthesia", "Aurelia Respiratory", "Solace 3", "critical", 180, 8, 0.4, ("Surgery",), 102
    ),
    Kind(
        "DEFIB",
        "Defibrillator",
        "defibrillator",
        "Corvance",
        "Pulse R2",
        "critical",
        180,
        14,
        0.2,
        ("Emergency", "Cardiology"),
        103,
    ),
    Kind(
        "PUMP",
        "Infusion pump",
        "infusion_pump",
        "Lumen Fluidics",
        "Drift 500",
        "high",
        365,
        34,
        0.3,
        ("ICU", "Ward 4", "Surgery"),
        104,
    ),
    Kind("SYR", "Syringe pump", "syringe_pump", "Lumen Fluidics", "Drift S", "high", 365, 12, 0.3, ("NICU", "ICU"), 105),
    Kind(
        "MON",
        "Patient monitor",
        "monitor",
        "Halden Medical",
        "Vista M7",
        "high",
        365,
        20,
        0.2,
        ("ICU", "Emergency", "Ward 4"),
        106,
    ),
    Kind("INC", "Infant incubator", "incubator", "Petrel Neonatal", "Cradle 2", "critical", 180, 6, 0.3, ("NICU",), 107),
    Kind("DIAL", "Dialysis machine", "dialysis", "Renovia", "Clear 5", "high", 180, 8, 0.8, ("Dialysis",), 108),
    Kind(
        "US",
        "Ultrasound system",
        "ultrasound",
        "Halden Medical",
        "Sonar 9",
        "medium",
        365,
        6,
        0.3,
        ("Emergency", "Cardiology"),
        109,
    ),
    Kind("ECG", "ECG recorder", "ecg", "Corvance", "Trace 12", "medium", 365, 8, 0.1, ("Cardiology", "Emergency"), 110),
    Kind("ESU", "Electrosurgical unit", "electrosurgery", "Northgate Surgical", "Arc 4", "high", 365, 6, 0.2, ("Surgery",), 111),
    Kind("BED", "ICU bed", "bed", "Restwell", "Horizon", "low", 365, 16, 0.3, ("ICU", "Riverside ICU"), 112),
    Kind("MRI", "MRI system", "imaging", "Halden Imaging", "Magna 3T", "high", 90, 3, 1.5, ("Radiology",), 113),
    Kind("CT", "CT scanner", "imaging", "Halden Imaging", "Axis 128", "high", 90, 2, 1.2, ("Radiology",), 114),
)

CHECKLISTS: Final = {
    "ventilator": ("replace inlet filter", "leak test", "oxygen sensor calibration", "alarm test", "electrical safety"),
    "defibrillator": ("energy delivery test", "battery capacity", "pads in date", "self test", "electrical safety"),
    "infusion_pump": ("flow accuracy", "occlusion alarm", "battery run time", "electrical safety"),
    "imaging": ("phantom scan", "coolant level", "door interlock", "emergency stop"),
}
CHECKLIST: Final = ("clean and look over", "functional test", "alarm test", "electrical safety")

FINDINGS: Final = (
    "All within limits.",
    "Filter replaced, all within limits.",
    "Battery replaced.",
    "Power cord worn, replaced.",
    "Recalibrated, now within limits.",
    "Firmware brought up to date.",
)
FAULTS: Final = (
    # finding, part
    ("Does not hold pressure; seal torn.", "pressure seal"),
    ("Battery fails under load.", "battery pack"),
    ("Display goes dark after warm-up.", "display board"),
    ("Alarm silent.", "speaker"),
    ("Error 41 at start; sensor drifts.", "flow sensor"),
    ("Wheel locked.", "caster"),
    ("Connector bent.", "cable set"),
)
GTIN_PREFIX: Final = "0952"
"""Indicator digit 0 and GS1's prefix for demonstrations."""


def gtin(item: int) -> str:
    """A GTIN-14 with its check digit."""
    digits = f"{GTIN_PREFIX}4400{item:05d}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def udi(item: int, made: str, serial: str) -> str:
    """What the label of a device says, as people read it: item, date of manufacture (YYMMDD), serial number."""
    return f"(01){gtin(item)}(11){made}(21){serial}"
