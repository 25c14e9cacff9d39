"""The invented agency of the demo: people, clients, visits, parts. Names and addresses are fictional, numbers are of the 555-01xx
kind that no telephone has. Imports nothing.
"""

from typing import Final

PEOPLE: Final = (
    # username, name, role
    ("hedda", "Hedda Lindholm", "dispatcher"),
    ("corin", "Corin Ashdown", "coordinator"),
    ("beatriz", "Beatriz Fonseca", "technician"),
    ("emeka", "Emeka Nwosu", "technician"),
    ("hanako", "Hanako Ishii", "technician"),
    ("ingrid", "Ingrid Solberg", "technician"),
    ("jamal", "Jamal Whitaker", "technician"),
    ("leilani", "Leilani Kahale", "technician"),
    ("mirela", "Mirela Stoica", "technician"),
    ("obi", "Obinna Chukwu", "technician"),
    ("petra", "Petra Vondrak", "technician"),
    ("rajiv", "Rajiv Menon", "technician"),
)

CLIENTS: Final = (
    "Abernathy, Louise",
    "Balogun, Femi",
    "Castellano, Rita",
    "Drummond, Walter",
    "Espinoza, Carmen",
    "Farrow, Edith",
    "Gallagher, Nuala",
    "Haraldsen, Knut",
    "Ibarra, Teresa",
    "Jankowski, Stefan",
    "Kealoha, Malia",
    "Lemieux, Odette",
    "Mbeki, Joseph",
    "Novak, Ludmila",
    "Ostrander, Hazel",
    "Pappas, Eleni",
    "Quigley, Desmond",
    "Rasmussen, Inge",
    "Saito, Michiko",
    "Thackeray, Arthur",
    "Udall, Vivian",
    "Villanueva, Rosario",
    "Wexler, Miriam",
    "Yilmaz, Hatice",
    "Zeman, Otakar",
    "Beaumont, Claire",
    "Delgado, Ramón",
    "Fitzsimmons, Joan",
)

STREETS: Final = (
    "Alder St",
    "Burnside Ct",
    "Clinton St",
    "Division Pl",
    "Everett Ct",
    "Flanders St",
    "Gladstone Ave",
    "Holgate Blvd",
    "Irving St",
    "Knott St",
    "Lombard Way",
    "Mississippi Ln",
)

CENTRE: Final = (-122.66, 45.52)
"""Longitude and latitude around which the clients live."""

VISITS: Final = (
    # what, minutes, skill
    ("Morning care: wash, dress, breakfast", 60, "personal care"),
    ("Medication reminder and vital signs", 30, "vitals"),
    ("Wound dressing, left foot", 45, "wound care"),
    ("Shower and transfer with lift", 60, "transfers"),
    ("Compression stockings, evening", 30, "personal care"),
    ("Catheter care", 45, "catheter care"),
    ("Blood sugar and insulin prompt", 30, "vitals"),
    ("Lunch and company", 60, "personal care"),
    ("Respite for the family", 90, "dementia care"),
    ("Range of motion exercises", 45, "mobility"),
    ("Light housekeeping and shopping", 90, "housekeeping"),
    ("Bedtime care", 45, "personal care"),
)

DONE: Final = (
    "All tasks done, client in good spirits.",
    "Dressing changed, wound dry and clean.",
    "Ate well; weight noted in the book.",
    "Refused the shower, washed at the basin.",
    "Blood pressure 128 over 76.",
    "Daughter present, next week's times agreed.",
    "Walked to the garden and back with the frame.",
    "Stockings on, skin intact.",
)

HELD: Final = "Waiting for the nurse to call back."
ABSENT: Final = "No answer at the door or the phone; neighbor has not seen her today."
CALLED_OFF: Final = "Client is at her sister's until Monday."

PARTS: Final = (
    # name, in stock, reorder level
    ("Nitrile gloves, M, box of 100", 34, 12),
    ("Nitrile gloves, L, box of 100", 9, 12),
    ("Gauze pads 4x4, pack of 25", 51, 20),
    ("Foam dressing, adhesive", 18, 20),
    ("Saline, 250 ml", 40, 15),
    ("Catheter bag, 2 l", 0, 6),
    ("Incontinence briefs, M, pack", 22, 10),
    ("Bed pads, pack of 30", 14, 8),
    ("Lancets, box of 100", 11, 5),
    ("Test strips, box of 50", 4, 6),
    ("Alcohol wipes, box of 200", 29, 10),
    ("Face masks, box of 50", 25, 10),
    ("Compression stockings, M", 7, 4),
    ("Pulse oximeter battery", 16, 6),
)
