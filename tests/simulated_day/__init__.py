"""A simulated day: how much of what an all-knowing sender delivers does the policy deliver?"""
