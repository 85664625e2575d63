"""The private API described for programs: the OpenAPI document, made from tables."""

from receiver.web.openapi.document import make_document

__all__ = ["make_document"]
