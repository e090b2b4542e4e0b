"""RFC 7643 and RFC 7644 as pure functions: nothing here does I/O, reads a clock or knows a storage.

Read first: `schemas` (resource types and schemas, as data in definitions/), `leniency` (what clients send, brought into
the RFC's shape), `patch_operations` and `group_patch` (a PATCH as operations, and as membership edits),
`representation` (a stored document as a client sees it).

To change how a client may write a body go to `leniency`. For a PATCH go to `patch_operations`, for a filter to
`filter_leniency`, for a limit to `limits`, for an attribute or a resource type to definitions/.
"""
