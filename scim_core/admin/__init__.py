"""The operator's command line: `python -m scim_core.admin`. Talks to a person, so it prints."""
