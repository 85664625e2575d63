"""From the journal into the store: decode, correlate, fold, decide; and the same for history."""
