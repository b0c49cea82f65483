"""The fleet that the tests of provisioning make."""

NAMES = ["canary1", "lb1", "lb2", "redis1"]
OPERATORS = ["192.0.2.0/24", "2001:db8::/32"]
