"""The operations of RFC 7644 over the storage port. No HTTP, and no clock of its own.

Read first: `service_provider` (create, get, replace, patch, delete), `search` (a filter to a page), `query_plan` (a
filter to a lookup), `group_snapshots` (a group with its members, as at one moment). To make an attribute quick to
search, list it as `indexed` in its resource type's file: `query_plan` does the rest.
"""
