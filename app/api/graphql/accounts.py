"""The mutations of accounts and sessions: sign up, log in and out, passwords and mails; and cloud functions.

Owns: those fields of `Mutation`. Holds: each is the action behind the REST route of the same name; after a sign-in the rest of
the operation is asked as that account, as in Parse Server. May import actions and below, api/graphql.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLString,
)

from app.actions.caller import resolve as resolve_caller
from app.api.graphql.bodies import Bodies, Upload
from app.api.graphql.context import Context
from app.api.graphql.mutations import mutation
from app.api.graphql.scalars import ANY, OBJECT
from app.api.graphql.statics import read, required
from app.api.graphql.types import ClassTypes
from app.core.wire import Object
from app.errors import ErrorCode, ParseError

_WAITS = "The account was made; sign in once an admin has enabled it, or its e-mail address is confirmed."
_NOT_SENT_BACK = ("password", "username", "authData")


def account_mutations(users: ClassTypes, viewer: GraphQLObjectType, store: Upload) -> dict[str, GraphQLField]:
    """Everything about one's own account."""
    accounts = _Accounts(users, store)
    signed_in = {"viewer": GraphQLField(required(viewer), resolve=read)}
    done = {"ok": GraphQLField(required(GraphQLBoolean), resolve=read)}
    text, words = required(GraphQLString), GraphQLString
    linked = {"authData": required(OBJECT), "fields": _linked_fields(users)}
    own = {"username": text, "password": text, "authData": OBJECT}
    asked = {"username": words, "password": words, "authData": OBJECT, "challengeData": OBJECT}
    # Parse Server's pages ask for the viewer, its present schema has it no more: deprecated fields are answered, not listed.
    left = {**done, "viewer": GraphQLField(viewer, resolve=read, deprecation_reason="Ask for `ok`.")}
    answered = {"challengeData": GraphQLField(OBJECT, resolve=read)}
    reset = {"username": text, "password": text, "token": text}
    return {
        "signUp": mutation("SignUp", {"fields": users.create}, signed_in, accounts.sign_up),
        "logInWith": mutation("LogInWith", linked, signed_in, accounts.log_in_with),
        "logIn": mutation("LogIn", own, signed_in, accounts.log_in),
        "logOut": mutation("LogOut", {}, left, _log_out),
        "resetPassword": mutation("ResetPassword", {"email": text}, done, _ask_reset),
        "confirmResetPassword": mutation("ConfirmResetPassword", reset, done, _confirm_reset),
        "sendVerificationEmail": mutation("SendVerificationEmail", {"email": text}, done, _ask_verification),
        "challenge": mutation("Challenge", asked, answered, _challenge),
    }


def function_mutation(names: Iterable[str]) -> dict[str, GraphQLField]:
    """callCloudCode, where there is a function to call."""
    known = {name: name for name in sorted(names) if name.isidentifier() and name.isascii()}
    if not known:
        return {}
    inputs = {"functionName": required(GraphQLEnumType("CloudCodeFunction", known)), "params": OBJECT}
    shown = {"result": GraphQLField(ANY, resolve=read)}
    return {"callCloudCode": mutation("CallCloudCode", inputs, shown, _call)}


def _linked_fields(users: ClassTypes) -> GraphQLInputObjectType:
    def fields() -> dict[str, GraphQLInputField]:
        return {name: each for name, each in users.create.fields.items() if name not in _NOT_SENT_BACK}

    return GraphQLInputObjectType("UserLoginWithInput", fields)


class _Accounts:
    def __init__(self, users: ClassTypes, store: Upload) -> None:
        self._users = users
        self._store = store

    async def sign_up(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        context: Context = info.context
        body = await Bodies(context, self._store).body(self._users, given.get("fields") or {}, is_new=True)
        return await _entered(context, await self._enter(context, body))

    async def log_in_with(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        context: Context = info.context
        body = await Bodies(context, self._store).body(self._users, given.get("fields") or {}, is_new=True)
        body["authData"] = given["authData"]
        return await _entered(context, await self._enter(context, body))

    async def _enter(self, context: Context, body: Object) -> Object:
        return await context.services.users.sign_up(context.caller, body)

    async def log_in(self, info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
        context: Context = info.context
        parameters: Object = {name: given[name] for name in ("username", "password", "authData") if given.get(name) is not None}
        return await _entered(context, await context.services.users.log_in(context.caller, parameters))


async def _entered(context: Context, account: Object) -> dict[str, Any]:
    """The payload of a sign-in; what follows in the operation is asked as this account."""
    token = account.get("sessionToken")
    if not isinstance(token, str):
        raise ParseError(ErrorCode.OPERATION_FORBIDDEN, _WAITS)
    async with context.services.database.connection() as connection:
        asked = context.caller
        caller = await resolve_caller(connection, token, installation_id=asked.installation_id, address=asked.address)
    if context.caller.is_master:
        context.caller = replace(context.caller, session_token=token)
    else:
        context.caller = caller
    told = account.get("authDataResponse")
    return {"viewer": {"sessionToken": token, "user": account["objectId"], "authDataResponse": told}}


async def _log_out(info: GraphQLResolveInfo, _: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    caller = context.caller
    await context.services.users.log_out(caller)
    viewer = None if caller.user_id is None else {"sessionToken": caller.session_token, "user": caller.user_id}
    return {"ok": True, "viewer": viewer}


async def _ask_reset(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    await context.services.links.ask_reset(context.caller, {"email": given["email"]})
    return {"ok": True}


async def _confirm_reset(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    """As in Parse Server, the token says for whom; the username is asked for and not looked at."""
    context: Context = info.context
    await context.services.links.reset(given["token"], given["password"])
    return {"ok": True}


async def _ask_verification(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    await context.services.links.ask_verification(context.caller, {"email": given["email"]})
    return {"ok": True}


async def _challenge(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    return await context.services.users.challenge(context.caller, given)


async def _call(info: GraphQLResolveInfo, given: Mapping[str, Any]) -> dict[str, Any]:
    context: Context = info.context
    objects = context.services.objects
    return {"result": await objects.hooks.call(context.caller, given["functionName"], given.get("params") or {}, objects)}
