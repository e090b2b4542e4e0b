"""A memory of bounded size, for caches that strangers can fill. It first forgets what was used least recently."""

from collections import OrderedDict


class Bounded[K, V]:
    """At most `limit` values by key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value of this key, which counts as used now."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """The value is remembered. If the memory is full, the value that was used least recently is forgotten."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)


class Fresh[K, V]:
    """At most `limit` values by key, none older than `seconds` by the timer that is passed in. A value can be None."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds
        self._values: Bounded[K, tuple[float, V]] = Bounded(limit)

    def get(self, key: K, now: float) -> tuple[V] | None:
        """The value, in a tuple. None when there is no fresh one."""
        found = self._values.get(key)
        return (found[1],) if found is not None and now - found[0] < self._seconds else None

    def put(self, key: K, value: V, since: float) -> None:
        """The value is remembered. `since` is the instant just before it was read."""
        self._values.put(key, (since, value))
