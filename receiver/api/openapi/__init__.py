"""The OpenAPI document of the private API, generated from tables."""

from receiver.api.openapi.document import make_document

__all__ = ["make_document"]
