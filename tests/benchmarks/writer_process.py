"""A process that commits the batches it reads from the socket on its standard input."""

import marshal
import socket
import sys
from pathlib import Path

from .writers import COMMITTED, HEADER, insert_all, open_autocommit


def main() -> None:
    """Serve until the other end closes."""
    connection = open_autocommit(Path(sys.argv[1]))
    with socket.socket(fileno=0) as peer, peer.makefile("rb") as stream:
        while header := stream.read(HEADER.size):
            (length,) = HEADER.unpack(header)
            # The frame comes from our own parent over a private socket pair.
            insert_all(connection, marshal.loads(stream.read(length)))  # noqa: S302
            peer.sendall(COMMITTED)
    connection.close()


if __name__ == "__main__":
    main()
