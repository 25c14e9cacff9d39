"""Which classes GraphQL shows, and how: what is a valid config, in Parse Server's form and words.

Owns: `check_graphql_config` and `ClassConfig`, the part of it for one class. Holds: a config that passes makes a schema whose
names are names; a part that is left out, or null, means everything. Pure; imports core/wire and the error codes only.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.wire import Json, Object
from app.errors import ErrorCode, ParseError

_NAME = re.compile(r"(?!__)[_A-Za-z][_0-9A-Za-z]*", re.ASCII)
_QUERY = ("find", "get")
_MUTATION = ("create", "update", "destroy")


@dataclass(frozen=True, slots=True)
class ClassConfig:
    """The part for one class."""

    create_fields: frozenset[str] | None = None
    update_fields: frozenset[str] | None = None
    output_fields: frozenset[str] | None = None
    constraint_fields: frozenset[str] | None = None
    sort_fields: tuple[tuple[str, bool, bool], ...] | None = None
    """Name, whether upwards, whether downwards."""
    disabled: frozenset[str] = frozenset()
    """Of find, get, create, update and destroy."""
    aliases: Mapping[str, str] | None = None
    """Other names of these operations."""

    def allows(self, operation: str) -> bool:
        """Whether the operation is there."""
        return operation not in self.disabled

    def name_of(self, operation: str, usual: str) -> str:
        """What the operation is called."""
        return (self.aliases or {}).get(operation, usual)


EVERYTHING = ClassConfig()


def shows_class(config: Object, class_name: str) -> bool:
    """Whether a class is there at all."""
    enabled, disabled = config.get("enabledForClasses"), config.get("disabledForClasses")
    is_enabled = not isinstance(enabled, list) or class_name in enabled
    return is_enabled and not (isinstance(disabled, list) and class_name in disabled)


def config_of(config: Object, class_name: str) -> ClassConfig:
    """The part of a checked config for one class, the first that names it."""
    classes: Any = config.get("classConfigs") or ()
    found: Any = next((each for each in classes if each["className"] == class_name), None)
    if found is None:
        return EVERYTHING
    shape, inputs = found.get("type") or {}, (found.get("type") or {}).get("inputFields") or {}
    operations = {**(found.get("query") or {}), **(found.get("mutation") or {})}
    sorts = shape.get("sortFields")
    return ClassConfig(
        create_fields=_names(inputs.get("create")),
        update_fields=_names(inputs.get("update")),
        output_fields=_names(shape.get("outputFields")),
        constraint_fields=_names(shape.get("constraintFields")),
        sort_fields=None if sorts is None else tuple((each["field"], each["asc"], each["desc"]) for each in sorts),
        disabled=frozenset(name for name in (*_QUERY, *_MUTATION) if operations.get(name) is False),
        aliases={name: alias for name in (*_QUERY, *_MUTATION) if (alias := operations.get(f"{name}Alias"))},
    )


def _names(value: Json) -> frozenset[str] | None:
    return frozenset(str(each) for each in value) if isinstance(value, list) else None


def check_graphql_config(config: Json) -> Object:
    """The config, if it is one. Raises 142 with everything that is wrong with it."""
    faults = list(_faults(config))
    if faults:
        raise ParseError(ErrorCode.VALIDATION_ERROR, f"Invalid graphQLConfig: {'; '.join(faults)}")
    assert isinstance(config, dict)
    return config


def _faults(config: Json) -> Iterator[str]:
    if config is None:
        yield "cannot be undefined, null or empty"
    elif not isinstance(config, dict):
        yield "must be a valid object"
    else:
        if unknown := _unknown(config, "enabledForClasses", "disabledForClasses", "classConfigs"):
            yield f"encountered invalid keys: {unknown}"
        for key in ("enabledForClasses", "disabledForClasses"):
            if config.get(key) is not None and not _is_texts(config[key]):
                yield f'"{key}" is not a valid array'
        classes = config.get("classConfigs")
        if isinstance(classes, list):
            for each in classes:
                name = each.get("className") if isinstance(each, dict) else "undefined"
                if fault := next(_class_faults(each), None):
                    yield f"classConfig:{name} is invalid because {fault}"
        elif classes is not None:
            yield '"classConfigs" is not a valid array'


def _class_faults(given: Json) -> Iterator[str]:
    if not isinstance(given, dict):
        yield "it must be a valid object"
        return
    if unknown := _unknown(given, "className", "type", "query", "mutation"):
        yield f'"invalidKeys" {unknown} should not be present'
    name = given.get("className")
    if not isinstance(name, str) or not name.strip():
        yield '"className" must be a valid string'
    for key, faults in (("type", _type_faults), ("query", _query_faults), ("mutation", _mutation_faults)):
        part = given.get(key)
        if isinstance(part, dict):
            yield from faults(part, name == "_User")
        elif part is not None:
            yield f'"{key}" must be a valid object'


def _type_faults(shape: Object, of_users: bool) -> Iterator[str]:
    if unknown := _unknown(shape, "inputFields", "outputFields", "constraintFields", "sortFields"):
        yield f'"type" contains invalid keys, {unknown}'
    for key in ("outputFields", "constraintFields"):
        if shape.get(key) is not None and not _is_texts(shape[key]):
            yield f'"{key}" must be a valid string array'
    sorts = shape.get("sortFields")
    if isinstance(sorts, list):
        for index, each in enumerate(sorts):
            yield from _sort_faults(index, each)
    elif sorts is not None:
        yield '"sortFields" must be a valid array.'
    inputs = shape.get("inputFields")
    if isinstance(inputs, dict):
        yield from _input_faults(inputs, of_users)
    elif inputs is not None:
        yield '"inputFields" must be a valid object'


def _sort_faults(index: int, given: Json) -> Iterator[str]:
    place = f'"sortField" at index {index}'
    if not isinstance(given, dict):
        yield f"{place} is not a valid object"
        return
    if unknown := _unknown(given, "field", "asc", "desc"):
        yield f"{place} contains invalid keys, {unknown}"
    name = given.get("field")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f'{place} did not provide the "field" as a string'
    if not isinstance(given.get("asc"), bool) or not isinstance(given.get("desc"), bool):
        yield f'{place} did not provide "asc" or "desc" as booleans'


def _input_faults(inputs: Object, of_users: bool) -> Iterator[str]:
    if unknown := _unknown(inputs, "create", "update"):
        yield f'"inputFields" contains invalid keys: {unknown}'
    for key in ("update", "create"):
        if inputs.get(key) is not None and not _is_texts(inputs[key]):
            yield f'"inputFields.{key}" must be a valid string array'
    create = inputs.get("create")
    if of_users and isinstance(create, list) and not {"username", "password"} <= set(map(str, create)):
        yield '"inputFields.create" must include required fields, username and password'


def _operation_faults(part: str, operations: tuple[str, ...]) -> Callable[[Object, bool], Iterator[str]]:
    def faults(given: Object, _: bool) -> Iterator[str]:
        aliases = [f"{name}Alias" for name in operations]
        if unknown := _unknown(given, *operations, *aliases):
            yield f'"{part}" contains invalid keys, {unknown}'
        for name in operations:
            if given.get(name) is not None and not isinstance(given[name], bool):
                yield f'"{part}.{name}" must be a boolean'
        for name in aliases:
            alias = given.get(name)
            if alias is not None and not isinstance(alias, str):
                yield f'"{part}.{name}" must be a string'
            elif alias and not _NAME.fullmatch(str(alias)):
                yield f'"{part}.{name}" must be a name of letters, digits and _'

    return faults


_query_faults = _operation_faults("query", _QUERY)
_mutation_faults = _operation_faults("mutation", _MUTATION)


def _unknown(given: Object, *known: str) -> str:
    """The keys that do not belong there, as `[a,b]`; nothing where there are none."""
    odd = [name for name in given if name not in known]
    return f"[{','.join(odd)}]" if odd else ""


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)
