"""What a create input demands is what the server demands: every required field, except those that the domain's rules fill."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from graphql import GraphQLInputObjectType, is_non_null_type

from app.api.graphql.schema import Sources, make_build
from app.config import Settings
from app.core.schema import ClassSchema, Field, FieldType
from app.core.wire import Json, pointer
from app.main import DOMAINS
from app.store.database import Database
from app.store.migrate import declare
from tests.api.graphql.asker import Asker, master
from tests.conftest import RunningServer

FILLED = {(name, field) for domain in DOMAINS for name, fields in domain.filled.items() for field in fields}
PASSWORD = "a long enough password"


def declared() -> Iterator[ClassSchema]:
    """The classes that the server's code declares."""
    yield from declare(Database(Settings()), DOMAINS).all()


def demanded(schema: ClassSchema) -> set[str]:
    """The fields without which an object of a class is not made, whoever makes it."""
    needed = {name for name, field in schema.fields.items() if field.required and field.default is None}
    return {name for name in needed if (schema.class_name, name) not in FILLED}


def test_the_input_of_every_class_demands_what_the_class_demands() -> None:
    filled = {name: fields for domain in DOMAINS for name, fields in domain.filled.items()}
    build = make_build(Sources([*declared()], {}), filled)
    for schema in declared():
        made = build.schema.type_map[f"Create{schema.class_name}FieldsInput"]
        assert isinstance(made, GraphQLInputObjectType)
        assert {name for name, each in made.fields.items() if is_non_null_type(each.type)} == demanded(schema), schema.class_name


def test_only_required_fields_are_said_to_be_filled() -> None:
    required = {(each.class_name, name) for each in declared() for name, field in each.fields.items() if field.required}
    assert required >= FILLED


def sample(field: Field) -> Json:
    """A value of the field's type."""
    values: dict[str, Json] = {
        FieldType.NUMBER: 1,
        FieldType.BOOLEAN: True,
        FieldType.DATE: {"__type": "Date", "iso": "2026-01-02T03:04:05.678Z"},
        FieldType.POINTER: pointer(field.target_class or "", "nobody0000"),
        FieldType.FILE: {"__type": "File", "name": "none.png"},
        FieldType.ARRAY: [],
        FieldType.OBJECT: {},
    }
    return values.get(field.type, "x")


def test_the_server_refuses_each_object_that_lacks_what_is_demanded(running_server: RunningServer) -> None:
    headers = {"X-Parse-Application-Id": running_server.app_id, "X-Parse-Master-Key": running_server.master_key}
    missed = []
    with httpx.Client(base_url=f"{running_server.url}/parse", headers=headers, timeout=30) as client:
        for schema in declared():
            if schema.class_name in ("Alert", "AuditLog", "AccessLog"):
                continue  # written by the server
            for name in demanded(schema):
                required = {each for each, field in schema.fields.items() if field.required and field.default is None}
                body = {each: sample(schema.fields[each]) for each in required - {name}}
                told = client.post(f"/classes/{schema.class_name}", json=body).json()
                if told != {"code": 142, "error": f"{name} is required"}:
                    missed.append((schema.class_name, name, told))
    assert missed == []


@pytest.fixture
async def key(running_server: RunningServer) -> Asker:
    return master(running_server)


async def make(caller: Asker, name: str, fields: dict[str, Any]) -> Any:
    """A new object of a class: its fields as GraphQL shows them."""
    field, links = name[:1].lower() + name[1:], {"patient": "patient { id }"}
    filled = (links.get(each, each) for found, each in FILLED if found == name)
    shown = " ".join({"id", *filled, *(each for each in fields if not isinstance(fields[each], dict))})
    created = f"create{name}(input: {{ fields: $fields }}) {{ {field} {{ {shown} }} }}"
    made = await caller.ask(f"mutation ($fields: Create{name}FieldsInput) {{ {created} }}", {"fields": fields})
    return made[f"create{name}"][field]


async def account(key: Asker, name: str, role: str) -> tuple[str, Asker]:
    """Somebody of a role: their id, and their way in."""
    fields = {"username": name, "password": PASSWORD, "email": f"{name}@example.com", "role": role, "active": True}
    query = "mutation ($fields: CreateUserFieldsInput) { createUser(input: { fields: $fields }) { user { id } } }"
    made = await key.ask(query, {"fields": fields})
    enter = f'mutation {{ logIn(input: {{ username: "{name}", password: "{PASSWORD}" }}) {{ viewer {{ sessionToken }} }} }}'
    token = (await Asker(key.server, {"X-Parse-Application-Id": key.server.app_id}).ask(enter))["logIn"]["viewer"]["sessionToken"]
    return made["createUser"]["user"]["id"], key.signed_in(token)


async def test_each_field_that_is_said_to_be_filled_is_filled(key: Asker) -> None:
    user, patient = await account(key, "pia", "patient")
    own = {"user": {"link": user}, "medicalRecordNumber": "M-1", "displayName": "Pia", "isActive": True}
    profile = await make(key, "PatientProfile", own)
    wish = await make(patient, "Prescription", {"medicationName": "Metformin", "dosage": "500 mg"})
    assert (wish["patient"]["id"], wish["status"]) == (profile["id"], "draft")
    facility = await make(key, "Facility", {"name": "Main", "code": "MAIN", "isOperational": True})
    room = await make(key, "Location", {"name": "ICU Room 12", "type": "room", "facility": {"link": facility["id"]}})
    asset: dict[str, Any] = {"facility": {"link": facility["id"]}, "location": {"link": room["id"]}, "criticality": "high"}
    asset |= {"assetTag": "V-1", "name": "V-1", "category": "ventilator", "serialNumber": "S-1", "status": "available"}
    made = await make(key, "Asset", asset)
    assert made["currentLocation"] == "ICU Room 12"
    worker, _ = await account(key, "tom", "technician")
    log: dict[str, Any] = {"asset": {"link": made["id"]}, "performedBy": {"link": worker}, "maintenanceType": "corrective"}
    log |= {"performedAt": "2026-01-02T03:04:05.678Z", "outcome": "passed"}
    done = await make(key, "MaintenanceLog", log)
    assert (done["startedAt"], done["status"]) == (log["performedAt"], "completed")
    await key.ask(
        f'mutation {{ updatePrescription(input: {{ id: "{wish["id"]}", fields: {{ status: "active" }} }}) {{ __typename }} }}'
    )
    sent = {"prescription": {"link": wish["id"]}, "deliveryAddress": "12 Alder St"}
    delivery = await make(patient, "Delivery", sent)
    assert delivery["status"] == "requested"
    seen = {("Prescription", "patient"), ("Prescription", "status"), ("Asset", "currentLocation"), ("Delivery", "status")}
    assert seen | {("MaintenanceLog", "startedAt"), ("MaintenanceLog", "status")} == FILLED


async def test_a_field_that_is_left_out_is_named_before_anything_is_asked(key: Asker) -> None:
    query = "mutation ($fields: CreatePatientSiteFieldsInput) { createPatientSite(input: { fields: $fields }) { __typename } }"
    status, told = await key.post(query, {"fields": {"siteName": "Nowhere"}})
    assert (status, told["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    assert "addressLine1" in told["errors"][0]["message"]
