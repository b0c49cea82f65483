"""The lab: a fleet of real systemd hosts on one Linux machine, in namespaces."""
