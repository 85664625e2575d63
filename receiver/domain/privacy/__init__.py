"""What is shown of people, and how their numbers are found in texts."""
