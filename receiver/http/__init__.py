"""What both listeners share: problem documents, peers, limits of connections, TLS."""
