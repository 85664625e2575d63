"""The private API described for programs: the OpenAPI document, made from tables."""

from receiver.api.openapi.document import make_document

__all__ = ["make_document"]
