"""The life of a release: load → verify → switch, and roll back, in both stores.

A release is named by its partition date; each load of it is a new build, so readers of the old one are never
disturbed. PostgreSQL's pointer is the truth and moves first, Redis's follows. A crash anywhere leaves the old
build serving in both stores, or the new one in PostgreSQL and the old in Redis, each whole; `tidy`, with which
every run begins, brings Redis back in line and removes what was left behind.

Within the day layers go the same way: builds with the lists of a few users, each over the layer or the whole build it names.
"""

from datetime import date

import psycopg
import redis
import structlog

from cartwheel.settings import get_settings
from serving_export.releases.catalog import Build, Catalog
from serving_export.releases.content import Content, measure
from serving_export.releases.postgres_store import PostgresStore
from serving_export.releases.redis_store import RedisStore
from serving_export.releases.store import layers_of

log = structlog.get_logger()

GRACE_S = 60.0
ABANDONED_AFTER_S = 3600.0
POINTER_WAIT_S = 120.0
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)


class VerificationError(RuntimeError):
    """A store does not hold what the lake holds."""


class UnknownReleaseError(LookupError):
    """There is no such release, or no build of it in the state that is needed."""


class RedisBehindError(RuntimeError):
    """PostgreSQL's pointer has moved, Redis's has not."""


class Releases:
    """Releases in one schema of PostgreSQL and under one prefix of Redis; callers hold `catalog.lock`, but to roll back."""

    def __init__(self, catalog: Catalog, postgres: PostgresStore, redis: RedisStore, kept: int, grace_s: float = GRACE_S) -> None:
        self.catalog, self.postgres, self.redis = catalog, postgres, redis
        self.kept, self.grace_s = kept, grace_s

    def load(self, day: date, content: Content, model_version: str) -> Build:
        """Load a new build into both stores; unfinished ones of the same release are removed first."""
        self._remove_unfinished(day.isoformat(), layers=False)
        return self._fill(self.catalog.create(day.isoformat(), day, model_version), content)

    def load_layer(self, base: Build, content: Content, last_file_id: int) -> Build:
        """Load a new layer over a build into both stores; unfinished ones of the same release are removed first."""
        self._remove_unfinished(base.release_id, layers=True)
        return self._fill(self.catalog.create_layer(base, last_file_id), content)

    def verify(self, day: date, content: Content) -> Build:
        """Compare both stores, read back whole, with the lake's content.

        Raises:
            UnknownReleaseError: the release was not loaded.
            VerificationError: a store differs; the message names it.
        """
        return self.verify_build(self._latest(day, "loading", "verified"), content)

    def verify_build(self, build: Build, content: Content) -> Build:
        """Compare what both stores hold of one build with what it should hold.

        Raises:
            VerificationError: a store differs; the message names it.
        """
        users, rows, expected = measure(content)
        for store in (self.postgres, self.redis):
            found = store.checksum(build.build_id, content)
            if found != expected:
                raise VerificationError(
                    f"{store.name} holds {found.entries} entries of release {build.release_id} with checksum {found.digest};"
                    f" the lake has {expected.entries} with {expected.digest}: publish it again"
                )
        self.redis.mark_ready(build.build_id)
        self.catalog.set_verified(build.build_id, users, rows, expected)
        log.info("verified", build=build.build_id, entries=expected.entries, checksum=expected.digest)
        return build

    def switch(self, day: date) -> Build:
        """Serve the verified build of a date; while a later date is served, only keep it ready for a rollback.

        Raises:
            UnknownReleaseError: the release was not verified.
        """
        with self.catalog.lock(POINTER_WAIT_S, "pointer"):
            build = self._latest(day, "verified", "ready")
            served = self.catalog.served()
            move = served is None or served.partition_date <= day
            # It may be served already, perhaps below layers, if a run before this one was cut off halfway.
            already = served if served and build.build_id in served.stack else None
            if not already:
                self.catalog.switch(build, "published", move)
            if not move:
                log.warning("not served: a later release is", release=build.release_id, serving=served and served.release_id)
                return build
            self._restore_redis(already or build)
            self.redis.point_to((already or build).pointer)
        log.info("serving", build=build.build_id, replaced=served and served.build_id)
        return build

    def switch_to_layer(self, layer: Build) -> bool:
        """Serve a verified layer, unless a rollback has taken away what lies below it; whether it is served."""
        with self.catalog.lock(POINTER_WAIT_S, "pointer"):
            served = self.catalog.served()
            if served is None or not set(layer.stack[1:]) <= set(served.stack) or self.catalog.was_rolled_back():
                log.warning("not served: what it lies over is not served any more", layer=layer.build_id)
                self._remove(layer)
                return False
            self.catalog.switch(layer, "refreshed")
            self.redis.point_to(layer.pointer)
        log.info("serving", build=layer.build_id, over=layer.stack[1:], replaced=served.build_id)
        return True

    def loaded(self, release_id: str) -> Build:
        """The build of a release that can be rolled back to.

        Raises:
            UnknownReleaseError: it is not loaded; the message names those that are.
        """
        build = self.catalog.ready(release_id)
        if build is None:
            names = ", ".join(sorted(each.release_id for each in self.catalog.builds() if each.status == "ready"))
            raise UnknownReleaseError(f"release {release_id!r} is not loaded; loaded are: {names or 'none'}")
        return build

    def rollback(self, release_id: str, requested_by: str, reason: str) -> Build:
        """Serve another loaded release, earlier or later, at once: a publish that is loading is not waited for.

        Only where Redis has lost the release: it is filled first, when nobody publishes or erases. Where Redis cannot be
        reached, PostgreSQL alone is rolled back.

        Raises:
            UnknownReleaseError: see `loaded`.
            RedisBehindError: Redis could not be reached; PostgreSQL serves the other release.
        """
        try:
            if not self.redis.is_ready(self.loaded(release_id).pointer):
                with self.catalog.lock():  # or somebody who is erased meanwhile would come back into Redis
                    self._restore_redis(self.loaded(release_id))
        except UNREACHABLE as error:
            log.warning("redis cannot be reached: rolling back PostgreSQL alone", release=release_id, error=str(error))
        with self.catalog.lock(POINTER_WAIT_S, "pointer"):
            build = self.loaded(release_id)
            self.catalog.switch(build, "rolled_back", requested_by=requested_by, reason=reason)
            if not self._point_redis(build):
                raise RedisBehindError(
                    f"PostgreSQL serves {release_id}, Redis could not be told: roll back again once it is reached, as it would"
                    " come back with the release before"
                )
        log.info("rolled back", build=build.build_id, requested_by=requested_by, reason=reason)
        return build

    def tidy(self) -> None:
        """Bring Redis in line with PostgreSQL's pointer, and remove builds that nothing needs from both."""
        with self.catalog.lock(POINTER_WAIT_S, "pointer"):
            served, pointed = self.catalog.served(), self.redis.current()
            if served is None:
                self.redis.clear_pointer()
            elif pointed != served.pointer or not self.redis.is_ready(served.pointer):
                self._restore_redis(served)
                self.redis.point_to(served.pointer)
                log.info("redis brought in line", build=served.build_id)
            self.catalog.mend_times()
        kept = set(layers_of(pointed or ""))  # may have readers; the next run removes it
        while gone := self._next_to_go(kept):
            for build in gone:
                self._remove(build)
                kept.add(build.build_id)
        for orphan in self.redis.builds() - self.postgres.builds():
            self.redis.remove(orphan)

    def removable(self) -> list[Build]:
        """What `tidy` removes now; then what only these lay over."""
        return self.catalog.removable(self.kept, self.grace_s, ABANDONED_AFTER_S)

    def _next_to_go(self, kept: set[str]) -> list[Build]:
        with self.catalog.lock(POINTER_WAIT_S, "pointer"):  # not while they are removed: a rollback would wait for it
            gone = [build for build in self.removable() if build.build_id not in kept]
            self.catalog.retire(gone)
        return gone

    def _latest(self, day: date, *statuses: str) -> Build:
        release_id = day.isoformat()
        whole = (build for build in self.catalog.builds() if build.release_id == release_id and not build.is_layer)
        found = [build for build in whole if build.status in statuses]
        if not found:
            raise UnknownReleaseError(f"release {release_id} has no build that is {' or '.join(statuses)}: load it first")
        return found[-1]

    def _remove_unfinished(self, release_id: str, layers: bool) -> None:
        """Layers or whole builds: each may be on its way while the other is loaded."""
        for build in self.catalog.builds():
            if build.release_id == release_id and build.is_layer == layers and build.status in ("loading", "verified"):
                self._remove(build)

    def _fill(self, build: Build, content: Content) -> Build:
        for store in (self.postgres, self.redis):
            store.load(build.build_id, content)
        return build

    def _point_redis(self, build: Build) -> bool:
        """Point Redis to a build that it holds; whether it could be reached and does."""
        try:
            if not self.redis.is_ready(build.pointer):
                return False
            self.redis.point_to(build.pointer)
        except UNREACHABLE:
            return False
        return True

    def sweep(self) -> None:
        """Remove every build that Redis alone has keys of, however they came there: a backup, a replica that was behind.

        Searches all keys.
        """
        for orphan in self.redis.search_builds() - self.postgres.builds():
            self.redis.remove(orphan)
            log.info("removed", build=orphan, status="only in redis")

    def _restore_redis(self, build: Build) -> None:
        """Fill Redis from PostgreSQL where it lost a build, or one that it lies over."""
        for each in reversed(self.catalog.stack(build)):
            if self.redis.is_ready(each.pointer):
                continue
            content = self.postgres.read(each.build_id)
            self.redis.load(each.build_id, content)
            if self.redis.checksum(each.build_id, content) != self.postgres.checksum(each.build_id, content):
                raise VerificationError(f"redis does not hold build {each.build_id} as PostgreSQL does: try again")
            self.redis.mark_ready(each.build_id)

    def _remove(self, build: Build) -> None:
        """From both stores, its row last. Readers that hold the partition for long make this wait for the next run.

        Redis is loaded after PostgreSQL and removed from before it. So what PostgreSQL holds of a layer names its keys, and a
        refresh need not search all others; if Redis had lost its latest writes, `sweep` finds what is left.
        """
        self.redis.remove(build.build_id, self.postgres.read(build.build_id) if build.is_layer else None)
        try:
            self.postgres.remove(build.build_id)
        except psycopg.errors.LockNotAvailable:
            log.warning("still being read; the next run removes it", build=build.build_id)
            return
        self.catalog.forget(build)
        log.info("removed", build=build.build_id, status=build.status)


def releases() -> Releases:
    """The releases of the settings' stores."""
    settings = get_settings()
    return Releases(Catalog(), PostgresStore(), RedisStore(settings.redis_url), settings.releases_kept)
