"""Exit statuses."""

FINE, REGRESSION, USAGE, FAILED = 0, 1, 2, 3
STOPPED = 130  # what a shell says of a program that Ctrl-C ended
CLOSED = 141  # and of one whose reader went away, as `| head` does
