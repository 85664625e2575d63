"""The public listener: takes the pushes of the platform, and answers when they are durable."""
