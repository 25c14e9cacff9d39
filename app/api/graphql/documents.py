"""Queries as text, and the documents they are: parsed, limited and validated once as long as they are asked again.

Owns: `Documents`. Holds: a text is looked at by the limits before it is parsed, a document before it is validated; what is kept
is bounded and belongs to one schema. May import api/graphql.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from graphql import ASTValidationRule, DocumentNode, GraphQLError, GraphQLSchema, TypeInfo, parse, validate

from app.api.graphql.limits import MOST_TOKENS, Limits, asks_for_schema

_MOST_KEPT = 500
_LONGEST_KEPT = 16_384

VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
INTROSPECTION_DISABLED = "INTROSPECTION_DISABLED"


@dataclass(slots=True)
class _Known:
    document: DocumentNode
    asks_for_schema: bool
    schema: GraphQLSchema | None = None
    """The schema it was found valid for."""


class Documents:
    """The documents that were asked lately."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._texts: OrderedDict[str, _Known] = OrderedDict()
        self._known: dict[int, _Known] = {}

    def parse(self, context: Any, data: dict[str, Any]) -> DocumentNode:
        """The document of a request; ariadne's `query_parser`. Raises GraphQLError for what is malformed or not allowed."""
        text = data["query"]
        known = self._texts.get(text)
        if known is None:
            known = self._parsed(text)
        else:
            self._texts.move_to_end(text)
        self._limits.check_document(known.document, data.get("variables") or {})
        if known.asks_for_schema and not context.may_introspect:
            raise GraphQLError("Introspection is not allowed", extensions={"code": INTROSPECTION_DISABLED})
        return known.document

    def validate(
        self,
        schema: GraphQLSchema,
        document_ast: DocumentNode,
        rules: Collection[type[ASTValidationRule]] | None = None,
        max_errors: int | None = None,
        type_info: TypeInfo | None = None,
    ) -> list[GraphQLError]:
        """What is wrong with a document; ariadne's `query_validator`."""
        known = self._known.get(id(document_ast))
        if known is not None and known.document is document_ast and known.schema is schema:
            return []
        errors = validate(schema, document_ast, rules, max_errors=max_errors or 20)
        for error in errors:
            error.extensions = {"code": VALIDATION_FAILED, **(error.extensions or {})}
        if known is not None and not errors:
            known.schema = schema
        return errors

    def _parsed(self, text: str) -> _Known:
        self._limits.check_text(text)
        try:
            document = parse(text, no_location=False, max_tokens=MOST_TOKENS)
        except GraphQLError as error:
            error.extensions = {"code": PARSE_FAILED}
            raise
        except RecursionError:
            raise GraphQLError("The query is nested too deeply.", extensions={"code": PARSE_FAILED}) from None
        known = _Known(document, asks_for_schema(document))
        if len(text) <= _LONGEST_KEPT:
            self._texts[text] = self._known[id(document)] = known
            if len(self._texts) > _MOST_KEPT:
                _, oldest = self._texts.popitem(last=False)
                self._known.pop(id(oldest.document), None)
        return known
