"""When a failed message is sent again: pure rules, planned once and judged again when due."""
