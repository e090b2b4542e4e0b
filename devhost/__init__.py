"""Runs the function app on a developer's machine: the host's HTTP rules, the real Python worker runtime, Azurite."""
