"""A client of the SCIM change feed: a program's own copy of a directory follows it, and misses nothing.

Read first: `feed` (Feed, AsyncFeed and what a store is), `pages` (what a store is given), `webhooks` (signed calls).
docs/consume.md of the service explains how to use it. It needs httpx, and nothing of the service itself.
"""

from scim_feed.answers import FeedError, Refused, Unusable
from scim_feed.feed import AsyncFeed, AsyncStore, Feed, Store
from scim_feed.following import Overtaken
from scim_feed.pages import Change, Delete, Join, Leave, Omitted, Page, Put, TenantHead, changes_of
from scim_feed.webhooks import Delivery, Event, InvalidSignature, verify

__all__ = [
    "AsyncFeed",
    "AsyncStore",
    "Change",
    "Delete",
    "Delivery",
    "Event",
    "Feed",
    "FeedError",
    "InvalidSignature",
    "Join",
    "Leave",
    "Omitted",
    "Overtaken",
    "Page",
    "Put",
    "Refused",
    "Store",
    "TenantHead",
    "Unusable",
    "changes_of",
    "verify",
]
