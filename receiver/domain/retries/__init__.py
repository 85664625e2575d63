"""When a failed message is sent again: pure rules, planned once and judged anew when due."""
