"""The operations of RFC 7644 over the storage port. No HTTP, and no clock of its own.

Read first: `service_provider` (create, get, replace, patch, delete), `resource_change` (one PUT or PATCH), `search` (a
filter to a page), `query_plan` (a filter to a lookup), `group_snapshots` (a group with its members at one moment).

To change how a filter is answered go to `query_plan`. Which attributes have an index is no code: a resource type's file
in scim_core/protocol/definitions/ lists them. To change what happens when two changes meet go to `optimistic_retry`.
"""
