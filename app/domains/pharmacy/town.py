"""The invented town of the pharmacy's demo: people, medicines, addresses. Names and addresses are fictional, numbers are of the
555-01xx kind that no telephone has. Imports nothing.
"""

from typing import Final

PEOPLE: Final = (
    # username, name, role, preferred language
    ("yusuf", "Yusuf Demir", "pharmacist", "en"),
    ("bianca", "Bianca Moreau", "pharmacist", "fr"),
    ("otto", "Otto Brandvold", "courier", "en"),
    ("zara", "Zara Okonjo", "courier", "en"),
    ("ravindra", "Ravindra Iyer", "courier", "hi"),
    ("milagros", "Milagros Pinto", "courier", "es"),
    ("drlang", "Dr. Helene Lang", "provider", "en"),
    ("drosei", "Dr. Kwame Osei", "provider", "en"),
    ("harriet", "Harriet Vance", "patient", "en"),
    ("waldo", "Waldo Pacheco", "patient", "es"),
    ("inez", "Inez Thibault", "patient", "fr"),
)

PATIENTS: Final = (
    "Agatha Lindgren",
    "Bernard Achebe",
    "Celestine Roy",
    "Dorothea Blum",
    "Emmett Sandoval",
    "Florence Nakai",
    "Gideon Marsh",
    "Hilda Strand",
    "Isidro Campos",
    "Josephine Tran",
    "Karl Wendt",
    "Lucille Amari",
    "Mortimer Hale",
    "Nadezhda Orlova",
    "Odell Freeman",
    "Philippa Crane",
    "Quentin Duarte",
    "Rosalind Eke",
    "Salvador Quiroz",
    "Theodora Petrakis",
    "Ulla Bergman",
    "Vernon Yazzie",
    "Winifred Cole",
    "Xavier Monteiro",
    "Yolanda Ferris",
    "Zelda Hoffmann",
)

MEDICINES: Final = (
    # name, dosage, must stay cold
    ("Metformin 500 mg", "1 tablet twice a day with meals", False),
    ("Lisinopril 10 mg", "1 tablet in the morning", False),
    ("Atorvastatin 20 mg", "1 tablet at night", False),
    ("Amlodipine 5 mg", "1 tablet in the morning", False),
    ("Levothyroxine 75 µg", "1 tablet before breakfast", False),
    ("Apixaban 5 mg", "1 tablet twice a day", False),
    ("Insulin glargine 100 U/mL", "18 units at bedtime", True),
    ("Semaglutide 1 mg", "1 injection a week", True),
    ("Adalimumab 40 mg", "1 injection every two weeks", True),
    ("Salbutamol inhaler", "2 puffs when needed", False),
    ("Furosemide 40 mg", "1 tablet in the morning", False),
    ("Gabapentin 300 mg", "1 capsule three times a day", False),
)

STREETS: Final = (
    "Ankeny St",
    "Burnside Ct",
    "Couch St",
    "Davis Ln",
    "Glisan Pl",
    "Hoyt St",
    "Johnson Ave",
    "Kearney Ct",
    "Marshall St",
)

PLACES: Final = (
    # city, postal code, latitude, longitude
    ("Portland", "97214", 45.515, -122.643),
    ("Portland", "97206", 45.483, -122.600),
    ("Beaverton", "97008", 45.460, -122.800),
    ("Gresham", "97080", 45.477, -122.424),
    ("Milwaukie", "97222", 45.443, -122.620),
    ("Tigard", "97224", 45.408, -122.793),
)

CLINICS: Final = ("Alder Creek Family Practice", "Mount Scott Clinic", "Rivergate Internal Medicine")

REASONS: Final = ("nobody home", "wrong address", "no access", "not the right medicine")
RELATIONS: Final = ("self", "self", "self", "spouse", "child", "caregiver", "neighbor")

TALK: Final = (
    # by the patient?, what is said
    (True, "May I take the new tablets together with the old ones?"),
    (False, "Please wait until the old ones are used up, about three more days."),
    (True, "Thank you. And the injection came a little warm, is that a problem?"),
    (False, "If it was below 25 °C it may be used within four weeks. I wrote the date on your label."),
    (True, "I am not at home on Thursday. Could my neighbor take it?"),
    (False, "Yes, tell the courier the name at the door; they sign for you."),
)
