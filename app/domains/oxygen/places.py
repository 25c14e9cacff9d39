"""The invented town of the demo: people, houses, homes for the elderly. Names and addresses are fictional, numbers are of the
555-01xx kind that no telephone has. Imports nothing.
"""

from typing import Final

PEOPLE: Final = (
    # username, name, role, preferred language
    ("admin", "Ruth Okafor", "admin", "en"),
    ("dana", "Dana Whitfield", "dispatcher", "en"),
    ("marcus", "Marcus Lindqvist", "dispatcher", "en"),
    ("luis", "Luis Herrera", "driver", "es"),
    ("keisha", "Keisha Bramwell", "driver", "en"),
    ("tomasz", "Tomasz Zielinski", "driver", "pl"),
    ("anh", "Anh Pham", "driver", "vi"),
    ("derek", "Derek Olmstead", "driver", "en"),
    ("fatima", "Fatima Rahimi", "driver", "fa"),
    ("nora", "Nora Castellan", "careTeam", "en"),
    ("priya", "Priya Raman", "careTeam", "en"),
    ("samuel", "Samuel Adeyemi", "careTeam", "en"),
    ("elena", "Elena Petrova", "careTeam", "ru"),
    ("joyce", "Joyce Hammond", "patient", "en"),
)

FACILITIES: Final = (
    ("Cedar Hollow Assisted Living", "1180 Cedar Hollow Ln", "Portland", "97219"),
    ("Willamette Terrace Nursing Home", "2406 Terrace View Dr", "Milwaukie", "97222"),
    ("Rose Quarter Pulmonary Rehab", "75 Weidler Ct", "Portland", "97227"),
    ("St. Brendan Hospice House", "914 Brendan Way", "Lake Oswego", "97034"),
    ("Tualatin Valley Surgery Center", "3300 Ibach Loop", "Tualatin", "97062"),
    ("Maple Court Memory Care", "560 Maple Court", "Gresham", "97030"),
    ("Columbia Bluff Urgent Care", "8821 Bluff Rd", "Vancouver", "98664"),
    ("Larch Mountain Veterans Home", "41 Larch Mountain Cir", "Troutdale", "97060"),
)

HOUSEHOLDS: Final = (
    # family name, contact's given name, relationship, language
    ("Alvarez", "Marisol", "daughter", "es"),
    ("Bergstrom", "Kirsten", "wife", "en"),
    ("Castillo", "Ramón", "son", "es"),
    ("Chen", "Li Na", "daughter", "zh"),
    ("Delacroix", "Yvette", "sister", "fr"),
    ("Dubois", "Marc", "husband", "fr"),
    ("Eriksen", "Solveig", "daughter", "en"),
    ("Fitzgerald", "Colm", "neighbor", "en"),
    ("Garcia", "Consuelo", "wife", "es"),
    ("Hassan", "Amina", "daughter", "so"),
    ("Hoang", "Minh", "son", "vi"),
    ("Ivanova", "Oksana", "daughter", "uk"),
    ("Johnson", "Terrence", "son", "en"),
    ("Kaplan", "Miriam", "wife", "en"),
    ("Kim", "Ji-woo", "granddaughter", "ko"),
    ("Kowalski", "Halina", "wife", "pl"),
    ("Martinez", "Rosa", "daughter", "es"),
    ("McAllister", "Fiona", "niece", "en"),
    ("Nakamura", "Kenji", "son", "ja"),
    ("Nguyen", "Thuy", "daughter", "vi"),
    ("O'Connell", "Siobhan", "wife", "en"),
    ("Okonkwo", "Chidi", "son", "en"),
    ("Patel", "Hetal", "daughter-in-law", "gu"),
    ("Popov", "Dmitri", "son", "ru"),
    ("Ramirez", "Esteban", "grandson", "es"),
    ("Schneider", "Greta", "wife", "en"),
    ("Sorensen", "Nils", "brother", "en"),
    ("Tran", "Kim-Ly", "daughter", "vi"),
    ("Tui", "Sina", "daughter", "sm"),
    ("Vasquez", "Lucía", "home aide", "es"),
    ("Washington", "Denise", "daughter", "en"),
    ("Yamada", "Haruko", "wife", "ja"),
)

STREETS: Final = (
    "Alder St",
    "Belmont Ave",
    "Clinton St",
    "Division Pl",
    "Everett Ct",
    "Flanders St",
    "Garfield Ave",
    "Holgate Blvd",
    "Irving St",
    "Juniper Ln",
    "Knott St",
    "Lombard Way",
)

CITIES: Final = (
    # city, postal code, latitude, longitude
    ("Portland", "97202", 45.482, -122.644),
    ("Portland", "97211", 45.566, -122.643),
    ("Beaverton", "97005", 45.491, -122.804),
    ("Gresham", "97030", 45.509, -122.434),
    ("Hillsboro", "97123", 45.496, -122.963),
    ("Milwaukie", "97222", 45.443, -122.620),
    ("Tigard", "97223", 45.440, -122.777),
    ("Oregon City", "97045", 45.341, -122.592),
)

NOTES: Final = (
    "Side door; ring twice, hard of hearing.",
    "Dog in the yard, call before opening the gate.",
    "Spare key with the neighbor in 4B.",
    "Third floor, elevator out on Wednesdays.",
    "Oxygen closet is behind the kitchen; no-smoking sign missing, bring one.",
    "Loading dock at the rear, sign in at reception.",
    "Prefers deliveries after dialysis, back by one.",
    "Steep driveway: park on the street in frost.",
)

REFILL_REASONS: Final = ("routine", "low pressure", "will-call", "after hours", "before the weekend")
REMARKS: Final = ("Valve checked.", "Regulator washer replaced.", "Family asked for a second cylinder.", "Label renewed.")
