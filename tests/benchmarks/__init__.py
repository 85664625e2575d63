"""What durable acknowledgement costs, measured with real processes on real ports and disks.

`python -m tests.benchmarks` measures the receiver against its targets and other servers;
`python -m tests.benchmarks.journal` compares places for the journal's writing connection.
"""
