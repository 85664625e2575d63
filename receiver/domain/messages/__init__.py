"""The state of a message: a pure function of its send and the set of its reports."""
