"""A durable receiver for the pushes of Huawei Cloud Message & SMS."""

__version__ = "0.1.0"
