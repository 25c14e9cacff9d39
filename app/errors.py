"""The errors that a client may see: Parse's codes and the HTTP status each one travels with.

Owns: `ErrorCode` (the numbers of Parse's API, https://parseplatform.org/Parse-SDK-JS/api/master/Parse.Error.html) and
`ParseError`, the only exception that a door translates into an answer. Holds: the message is a sentence for the caller and
carries no secret and no health data; the private cause is chained. Imports nothing of the project.
"""

from enum import IntEnum


class ErrorCode(IntEnum):
    """Parse error codes, as every Parse SDK knows them."""

    OTHER_CAUSE = -1
    INTERNAL_SERVER_ERROR = 1
    CONNECTION_FAILED = 100
    OBJECT_NOT_FOUND = 101
    INVALID_QUERY = 102
    INVALID_CLASS_NAME = 103
    MISSING_OBJECT_ID = 104
    INVALID_KEY_NAME = 105
    INVALID_POINTER = 106
    INVALID_JSON = 107
    COMMAND_UNAVAILABLE = 108
    NOT_INITIALIZED = 109
    INCORRECT_TYPE = 111
    INVALID_CHANNEL_NAME = 112
    PUSH_MISCONFIGURED = 115
    OBJECT_TOO_LARGE = 116
    OPERATION_FORBIDDEN = 119
    CACHE_MISS = 120
    INVALID_NESTED_KEY = 121
    INVALID_FILE_NAME = 122
    INVALID_ACL = 123
    TIMEOUT = 124
    INVALID_EMAIL_ADDRESS = 125
    FILE_SAVE_ERROR = 130
    MISSING_REQUIRED_FIELD = 135
    CHANGED_IMMUTABLE_FIELD = 136
    DUPLICATE_VALUE = 137
    INVALID_ROLE_NAME = 139
    EXCEEDED_QUOTA = 140
    SCRIPT_FAILED = 141
    VALIDATION_ERROR = 142
    FILE_DELETE_ERROR = 153
    REQUEST_LIMIT_EXCEEDED = 155
    DUPLICATE_REQUEST = 159
    INVALID_VALUE = 162
    USERNAME_MISSING = 200
    PASSWORD_MISSING = 201
    USERNAME_TAKEN = 202
    EMAIL_TAKEN = 203
    EMAIL_MISSING = 204
    EMAIL_NOT_FOUND = 205
    SESSION_MISSING = 206
    MUST_CREATE_USER_THROUGH_SIGNUP = 207
    ACCOUNT_ALREADY_LINKED = 208
    INVALID_SESSION_TOKEN = 209
    UNSUPPORTED_SERVICE = 252
    CLASS_NOT_EMPTY = 255


HTTP_STATUS = {
    ErrorCode.INTERNAL_SERVER_ERROR: 500,
    ErrorCode.OBJECT_NOT_FOUND: 404,
    ErrorCode.OBJECT_TOO_LARGE: 413,
    ErrorCode.REQUEST_LIMIT_EXCEEDED: 429,
}
"""Codes that do not travel with 400, as Parse Server answers them."""


class ParseError(Exception):
    """A refusal the caller is told about: `code` for the program, `message` for the person."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status this error is answered with."""
        return HTTP_STATUS.get(self.code, 400)
