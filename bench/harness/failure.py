"""What ends a scenario: nothing was measured, or not what was meant."""


class Broken(Exception):
    """A server did not start or answered something else, a load generator failed, two sides were not set up alike."""
