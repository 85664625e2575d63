"""The histogram of what every push pays: it is scraped as the library's own one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from receiver.histograms import QuickHistogram

BUCKETS = (0.001, 0.5, 1, 2, 16)


@given(st.lists(st.sampled_from(BUCKETS) | st.floats(0, 20)))
def test_it_is_scraped_as_the_library_does_it(values: list[float]) -> None:
    """Any values, bounds among them, give the text that the library's histogram gives."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    quick = QuickHistogram("name", "What it is.", buckets=BUCKETS, registry=ours)
    library = Histogram("name", "What it is.", buckets=BUCKETS, registry=theirs)
    for value in values:
        quick.observe(value)
        library.observe(value)
    assert generate_latest(ours) == generate_latest(theirs)
