"""The regimens and people of the demo and the simulation. The regimens are as textbooks print them; the people are invented, and
their numbers are of the 555-01xx kind that no telephone has. Imports nothing.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Regimen:
    """`drugs` are (day of the cycle, name, dose); `effects` what its patients often report; `marrow` how deep counts fall."""

    name: str
    days: int
    cycles: int
    diagnosis: str
    drugs: tuple[tuple[int, str, str], ...]
    effects: tuple[str, ...]
    marrow: float


REGIMENS: Final = (
    Regimen(
        "mFOLFOX6",
        14,
        12,
        "Colon adenocarcinoma, stage III",
        (
            (1, "Oxaliplatin", "85 mg/m² IV over 2 h"),
            (1, "Leucovorin", "400 mg/m² IV over 2 h"),
            (1, "Fluorouracil bolus", "400 mg/m² IV"),
            (1, "Fluorouracil infusion", "2400 mg/m² over 46 h"),
            (3, "Pump disconnect", "port flushed"),
        ),
        ("Cold-induced tingling", "Peripheral sensory neuropathy", "Nausea", "Diarrhea", "Fatigue"),
        0.55,
    ),
    Regimen(
        "FOLFIRINOX",
        14,
        12,
        "Pancreatic adenocarcinoma, stage II",
        (
            (1, "Oxaliplatin", "85 mg/m² IV over 2 h"),
            (1, "Irinotecan", "180 mg/m² IV over 90 min"),
            (1, "Leucovorin", "400 mg/m² IV over 2 h"),
            (1, "Fluorouracil infusion", "2400 mg/m² over 46 h"),
            (3, "Pegfilgrastim", "6 mg SC"),
        ),
        ("Diarrhea", "Nausea", "Fatigue", "Peripheral sensory neuropathy", "Febrile neutropenia"),
        0.75,
    ),
    Regimen(
        "AC-T (dose dense)",
        14,
        8,
        "Breast carcinoma, stage II, hormone receptor positive",
        (
            (1, "Doxorubicin", "60 mg/m² IV push"),
            (1, "Cyclophosphamide", "600 mg/m² IV over 30 min"),
            (2, "Pegfilgrastim", "6 mg SC"),
        ),
        ("Nausea", "Fatigue", "Mucositis", "Alopecia", "Bone pain"),
        0.7,
    ),
    Regimen(
        "R-CHOP",
        21,
        6,
        "Diffuse large B-cell lymphoma, stage III",
        (
            (1, "Rituximab", "375 mg/m² IV"),
            (1, "Cyclophosphamide", "750 mg/m² IV over 30 min"),
            (1, "Doxorubicin", "50 mg/m² IV push"),
            (1, "Vincristine", "1.4 mg/m², at most 2 mg, IV"),
            *((day, "Prednisone", "100 mg by mouth") for day in range(1, 6)),
        ),
        ("Constipation", "Fatigue", "Infusion reaction", "Insomnia", "Febrile neutropenia"),
        0.8,
    ),
    Regimen(
        "Carboplatin + paclitaxel",
        21,
        6,
        "Ovarian carcinoma, stage III",
        ((1, "Paclitaxel", "175 mg/m² IV over 3 h"), (1, "Carboplatin", "AUC 6 IV over 1 h")),
        ("Peripheral sensory neuropathy", "Myalgia", "Fatigue", "Alopecia", "Nausea"),
        0.6,
    ),
    Regimen(
        "CAPOX",
        21,
        8,
        "Rectal adenocarcinoma, stage III",
        ((1, "Oxaliplatin", "130 mg/m² IV over 2 h"), *((day, "Capecitabine", "1000 mg/m² twice a day") for day in range(1, 15))),
        ("Hand-foot syndrome", "Diarrhea", "Cold-induced tingling", "Fatigue"),
        0.45,
    ),
    Regimen(
        "Gemcitabine + cisplatin",
        21,
        8,
        "Biliary tract carcinoma, unresectable",
        (
            (1, "Cisplatin", "25 mg/m² IV over 1 h"),
            (1, "Gemcitabine", "1000 mg/m² IV over 30 min"),
            (8, "Cisplatin", "25 mg/m² IV over 1 h"),
            (8, "Gemcitabine", "1000 mg/m² IV over 30 min"),
        ),
        ("Fatigue", "Nausea", "Tinnitus", "Anorexia"),
        0.65,
    ),
    Regimen(
        "ABVD",
        28,
        6,
        "Hodgkin lymphoma, stage II",
        tuple(
            (day, drug, dose)
            for day in (1, 15)
            for drug, dose in (
                ("Doxorubicin", "25 mg/m² IV push"),
                ("Bleomycin", "10 units/m² IV"),
                ("Vinblastine", "6 mg/m² IV"),
                ("Dacarbazine", "375 mg/m² IV"),
            )
        ),
        ("Nausea", "Fatigue", "Dry cough", "Constipation"),
        0.6,
    ),
)


@dataclass(frozen=True, slots=True)
class Test:
    """A laboratory test with the range of the demo's laboratory. `falls` is how much of it chemotherapy takes at the nadir,
    `drifts` what each cycle takes for good."""

    key: str
    name: str
    unit: str
    low: float
    high: float
    critical_low: float | None
    critical_high: float | None
    usual: float
    falls: float
    drifts: float
    digits: int


TESTS: Final = (
    Test("ANC", "ANC", "10⁹/L", 1.8, 7.5, 0.5, None, 4.1, 1.0, 0.04, 2),
    Test("PLT", "Platelets", "10⁹/L", 150, 400, 25, 1000, 265, 0.65, 0.04, 0),
    Test("HGB", "Hemoglobin", "g/dL", 12.0, 16.0, 7.0, 20.0, 13.4, 0.12, 0.025, 1),
    Test("CREA", "Creatinine", "mg/dL", 0.6, 1.2, None, 3.0, 0.85, -0.06, -0.02, 2),
    Test("ALT", "ALT", "U/L", 7, 40, None, 200, 24, -0.25, -0.06, 0),
)

STAFF: Final = (
    # username, name, role
    ("helena.voss", "Helena Voss", "oncologist"),
    ("idris.bakare", "Idris Bakare", "oncologist"),
    ("maeve.corrigan", "Maeve Corrigan", "nurse"),
    ("tamsin.oduya", "Tamsin Oduya", "nurse"),
    ("rafael.quintero", "Rafael Quintero", "nurse"),
    ("yuki.amano", "Yuki Amano", "pharmacist"),
    ("brigid.falk", "Brigid Falk", "careTeam"),
)

PATIENTS: Final = (
    # username, name; the first ones get a password that is told
    ("lena.hartwig", "Lena Hartwig"),
    ("oscar.benavides", "Oscar Benavides"),
    ("agnes.thorne", "Agnes Thorne"),
    ("bashir.nazari", "Bashir Nazari"),
    ("celeste.moreau", "Celeste Moreau"),
    ("dmitra.kosta", "Dmitra Kosta"),
    ("edwin.achterberg", "Edwin Achterberg"),
    ("farida.haddad", "Farida Haddad"),
    ("gordon.sinclair", "Gordon Sinclair"),
    ("hye-jin.park", "Hye-jin Park"),
    ("ivo.marchetti", "Ivo Marchetti"),
    ("jasmine.okoye", "Jasmine Okoye"),
    ("klara.novotna", "Klara Novotna"),
    ("leopold.brandt", "Leopold Brandt"),
    ("marisol.fuentes", "Marisol Fuentes"),
    ("ngozi.eze", "Ngozi Eze"),
    ("otto.lindgren", "Otto Lindgren"),
    ("paloma.serrano", "Paloma Serrano"),
    ("quentin.ashby", "Quentin Ashby"),
    ("rosalind.fairweather", "Rosalind Fairweather"),
    ("sanjay.kulkarni", "Sanjay Kulkarni"),
    ("thandiwe.mokoena", "Thandiwe Mokoena"),
    ("ulrike.zimmer", "Ulrike Zimmer"),
    ("vikram.deshmukh", "Vikram Deshmukh"),
    ("wanda.jaworska", "Wanda Jaworska"),
    ("xiomara.pena", "Xiomara Pena"),
    ("yusuf.demir", "Yusuf Demir"),
    ("zora.whitlock", "Zora Whitlock"),
)
SIGN_INS: Final = 2

ALLERGIES: Final = ("none known", "penicillin", "latex", "none known", "sulfonamides", "iodinated contrast")
DELAYS: Final = ("ANC below 1.0", "Platelets below 75", "Fever, source unclear", "Patient asked for a week at home")
