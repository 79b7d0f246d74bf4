"""Errors of the API as XML. Law: a code that SDKs know, and a sentence that says why."""

from __future__ import annotations

from xml.sax.saxutils import escape

from edgecache.control.cloudfront.model import NAMESPACE, api


class ApiError(Exception):
    """Why a call is refused: a code of the API and a message that names the member."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status the model gives the code."""
        return api().statuses[self.code]


def error_document(fault: ApiError, request_id: str, namespace: str = NAMESPACE) -> bytes:
    """The body of a refusal ("Error responses", CloudFront API reference)."""
    whose = "Sender" if fault.status < 500 else "Receiver"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{whose}</Type>'
        f"<Code>{fault.code}</Code><Message>{xml_text(fault.message)}</Message></Error>"
        f"<RequestId>{xml_text(request_id)}</RequestId></ErrorResponse>"
    ).encode()


def xml_text(text: str) -> str:
    """Text as XML 1.0 §2.2 can carry it, escaped; characters it cannot carry become U+FFFD."""
    return escape("".join(char if _is_legal(char) else "\ufffd" for char in text), _KEPT)


_KEPT = {"\r": "&#13;"}  # §2.11: a parser would make it a line feed


def _is_legal(char: str) -> bool:
    return (char >= " " and not ("\ud800" <= char <= "\udfff" or char in "\ufffe\uffff")) or (
        char in "\t\n\r"
    )
