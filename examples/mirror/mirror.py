"""A mirror of a SCIM directory in SQLite or PostgreSQL, which follows the feed. Copy it, and make it yours.

    SCIM_FEED_TOKEN=... python mirror.py https://scim.example.com/feed/v1 directory.db
    SCIM_FEED_TOKEN=... python mirror.py https://scim.example.com/feed/v1 postgresql://me@localhost/directory

It can be killed at any moment and started again: a page is applied and its cursor saved in one transaction. Of an
application's credential, --tenant names the customer. PostgreSQL needs `pip install psycopg`.
"""

import argparse
import importlib
import json
import logging
import os
import sqlite3
import sys
from contextlib import closing
from typing import Any

from scim_feed import Change, Delete, Feed, FeedError, Join, Leave, Omitted, Overtaken, Page, Put

SCHEMA = (
    # No foreign keys: a membership may come before its user. `seen` is the mark of the last snapshot that named a row.
    """CREATE TABLE IF NOT EXISTS scim_resource (
        id TEXT PRIMARY KEY, type TEXT NOT NULL, name TEXT, active INTEGER, resource TEXT, stale INTEGER NOT NULL,
        seen TEXT)""",
    """CREATE TABLE IF NOT EXISTS scim_membership (
        group_id TEXT NOT NULL, member_id TEXT NOT NULL, seen TEXT, PRIMARY KEY (group_id, member_id))""",
    "CREATE INDEX IF NOT EXISTS scim_membership_of ON scim_membership (member_id)",
    "CREATE TABLE IF NOT EXISTS scim_progress (feed TEXT PRIMARY KEY, cursor TEXT NOT NULL)",
)
PUT = """INSERT INTO scim_resource (id, type, name, active, resource, stale, seen) VALUES (?, ?, ?, ?, ?, 0, ?)
    ON CONFLICT (id) DO UPDATE SET type = excluded.type, name = excluded.name, active = excluded.active,
    resource = excluded.resource, stale = 0, seen = excluded.seen"""
OMITTED = """INSERT INTO scim_resource (id, type, stale, seen) VALUES (?, ?, 1, ?)
    ON CONFLICT (id) DO UPDATE SET stale = 1, seen = excluded.seen"""
DELETE = "DELETE FROM scim_resource WHERE id = ?"
DELETE_PAIRS = "DELETE FROM scim_membership WHERE group_id = ? OR member_id = ?"
JOIN = """INSERT INTO scim_membership (group_id, member_id, seen) VALUES (?, ?, ?)
    ON CONFLICT (group_id, member_id) DO UPDATE SET seen = excluded.seen"""
LEAVE = "DELETE FROM scim_membership WHERE group_id = ? AND member_id = ?"
SWEEP = "DELETE FROM scim_resource WHERE seen IS NULL OR seen <> ?"
SWEEP_PAIRS = """DELETE FROM scim_membership WHERE seen IS NULL OR seen <> ?
    OR group_id NOT IN (SELECT id FROM scim_resource) OR member_id NOT IN (SELECT id FROM scim_resource)"""
BEGIN = "INSERT INTO scim_progress (feed, cursor) VALUES (?, '') ON CONFLICT (feed) DO NOTHING"
LOAD = "SELECT cursor FROM scim_progress WHERE feed = ?"
SAVE = "UPDATE scim_progress SET cursor = ? WHERE feed = ? AND cursor = ?"


class Mirror:
    """The store of the feed: two functions, `load` and `apply`. One database holds one customer's directory."""

    def __init__(self, connection: Any, feed: str) -> None:
        """`connection` is one of sqlite3 or of psycopg; `feed` names the feed whose cursor it keeps."""
        is_sqlite = isinstance(connection, sqlite3.Connection)
        self._connection = connection
        self._mark = "?" if is_sqlite else "%s"
        self._transaction = (lambda: connection) if is_sqlite else connection.transaction
        self._feed = feed
        with self._transaction():
            for statement in (*SCHEMA, BEGIN):
                self._run(statement, *([feed] if statement == BEGIN else []))

    def load(self) -> str | None:
        """The cursor that was saved last."""
        with self._transaction():
            return self._run(LOAD, self._feed).fetchone()[0] or None

    def apply(self, page: Page) -> None:
        """The page is applied and its cursor saved, in one transaction."""
        with self._transaction():
            # The cursor goes first: it locks the row, and it only moves if no other reader was quicker.
            if self._run(SAVE, page.cursor, self._feed, page.after or "").rowcount != 1:
                raise Overtaken
            for change in page.changes:
                self._change(change, page.snapshot)
            if page.completes_snapshot:
                self._run(SWEEP, page.snapshot)
                self._run(SWEEP_PAIRS, page.snapshot)

    def _change(self, change: Change, seen: str | None) -> None:
        match change:
            case Put(kind, id_, resource):
                name = str(resource.get("userName", resource.get("displayName", ""))).replace("\0", "")
                active = int(resource.get("active", True) is True)
                self._run(PUT, id_, kind, name, active, json.dumps(resource), seen)
            case Omitted(kind, id_):
                self._run(OMITTED, id_, kind, seen)
            case Delete(_, id_):
                self._run(DELETE, id_)
                self._run(DELETE_PAIRS, id_, id_)
            case Join(group, member):
                self._run(JOIN, group, member, seen)
            case Leave(group, member):
                self._run(LEAVE, group, member)

    def _run(self, statement: str, *values: Any) -> Any:
        return self._connection.execute(statement.replace("?", self._mark), values)


def opened(database: str) -> Any:
    """A connection to a PostgreSQL of this URL, or to the SQLite in this file."""
    if not database.startswith(("postgresql://", "postgres://")):
        return sqlite3.connect(database)
    psycopg = importlib.import_module("psycopg")  # only who uses PostgreSQL needs it
    return psycopg.connect(database, autocommit=True)


def main() -> int:
    """The exit status. It runs until Ctrl-C, or with --once until there is no more."""
    parser = argparse.ArgumentParser(description="Mirrors a SCIM directory.")
    parser.add_argument("url", help="the feed's URL, which ends in /feed/v1")
    parser.add_argument("database", help="a file for SQLite, or a URL that begins with postgresql://")
    parser.add_argument("--tenant", default="", help="the customer, for the credential of an application")
    parser.add_argument("--once", action="store_true", help="stop when there is no more")
    given = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    feed = Feed(given.url, os.environ["SCIM_FEED_TOKEN"], tenant=given.tenant)
    with feed, closing(opened(given.database)) as connection:
        store = Mirror(connection, f"{given.url} {given.tenant}")
        try:
            (feed.catch_up if given.once else feed.follow)(store)
        except FeedError as error:
            print(f"mirror: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
