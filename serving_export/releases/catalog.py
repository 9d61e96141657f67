"""The book-keeping of releases in PostgreSQL: which builds exist, which is served, what happened.

Tables `builds`, `pointer` and `release_events` of `cartwheel/sql/30_serving.sql`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import class_row

from cartwheel import warehouse
from serving_export.releases.content import Checksum
from serving_export.releases.postgres_store import SCHEMA
from serving_export.releases.store import OVER

log = structlog.get_logger()

LOCK_WAIT_S = 300.0

_COLUMNS = (
    "build_id, release_id, partition_date, model_version, status, users, last_file_id,"
    " array(select part_id from {0}.stacks where stacks.build_id = builds.build_id order by depth) as stack"
)


class PublishBusyError(RuntimeError):
    """Another publish holds the lock."""


@dataclass(frozen=True)
class Build:
    """One load of a release, or a layer over another build; status is loading, verified, ready or retired."""

    build_id: str
    release_id: str
    partition_date: date
    model_version: str
    status: str
    users: int | None  # with lists; known once it is verified
    last_file_id: int | None  # of a layer: the last file (`ops.loaded_files`) that its lists know of
    stack: list[str]  # its own id, and those of all builds that it lies over, the whole one last

    @property
    def is_layer(self) -> bool:
        return len(self.stack) > 1

    @property
    def pointer(self) -> str:
        """What the pointers of both stores say when it is served."""
        return OVER.join(self.stack)


class Catalog:
    """Every method is one transaction."""

    def __init__(self, schema: str = SCHEMA) -> None:
        self.schema = schema

    @contextmanager
    def lock(self, wait_s: float = LOCK_WAIT_S, what: str = "publish") -> Iterator[None]:
        """Only one program at a time publishes; only one moves the pointer or chooses what to remove (`pointer`, held briefly).

        A lock ends with the process that holds it. Who needs both takes `publish` first.

        Raises:
            PublishBusyError: another one held it all that time.
        """
        name = (f"cartwheel.{self.schema}.{what}",)
        with warehouse.connect(autocommit=True) as connection:
            if connection.execute("select pg_try_advisory_lock(hashtext(%s))", name).fetchone() != (True,):
                log.info("waiting for another publish to end", at_most_s=round(wait_s))
                connection.execute("select set_config('lock_timeout', %s, false)", (f"{max(1, round(1000 * wait_s))}ms",))
                try:
                    connection.execute("select pg_advisory_lock(hashtext(%s))", name)
                except psycopg.errors.LockNotAvailable:
                    raise PublishBusyError(
                        f"another publish has been running for {wait_s:.0f} s: try again when it has ended"
                    ) from None
            yield

    def create(self, release_id: str, day: date, model_version: str) -> Build:
        """A new build of a release, with status loading."""
        return self._create(release=release_id, day=day, version=model_version, base=None, file=None)

    def create_layer(self, base: Build, last_file_id: int) -> Build:
        """A new layer over a build, which may be a layer, with status loading."""
        return self._create(
            release=base.release_id, day=base.partition_date, version=base.model_version, base=base.build_id, file=last_file_id
        )

    def _create(self, **values: object) -> Build:
        insert = (
            "insert into {0}.builds (build_id, release_id, partition_date, model_version, status, base_build_id, last_file_id)"
            " values (%(release)s || '.' || nextval(%(numbers)s), %(release)s, %(day)s, %(version)s, 'loading',"
            " %(base)s, %(file)s)"
            " returning build_id"
        )
        parameters = {"numbers": f"{self.schema}.build_number", **values}
        with warehouse.connect() as connection:
            (build_id,) = connection.execute(self._sql(insert), parameters).fetchone()  # type: ignore[misc]
            return self._builds(connection, "select {1} from {0}.builds where build_id = %(id)s", {"id": build_id})[0]

    def builds(self) -> list[Build]:
        """All builds, oldest first: by their numbers, as the server's clock may have been set back."""
        return self._read("select {1} from {0}.builds order by split_part(build_id, '.', 2)::bigint")

    def ready(self, release_id: str) -> Build | None:
        """The whole build of a release that can be served."""
        whole = (build for build in self.builds() if build.status == "ready" and not build.is_layer)
        return next((build for build in whole if build.release_id == release_id), None)

    def served(self) -> Build | None:
        """The build that the pointer names: a layer, where there is one."""
        found = self._read("select {1} from {0}.builds join {0}.pointer using (build_id)")
        return found[0] if found else None

    def stack(self, build: Build) -> list[Build]:
        """The build and all that it lies over, the whole one last."""
        by_id = {each.build_id: each for each in self.builds()}
        return [by_id[build_id] for build_id in build.stack]

    def was_rolled_back(self) -> bool:
        """Whether somebody chose what is served, by a rollback."""
        with warehouse.connect() as connection:
            last = "select event from {0}.release_events where event <> 'removed' order by event_id desc limit 1"
            return self._run(connection, last).fetchone() == ("rolled_back",)

    def set_verified(self, build: str, users: int, rows: int, checksum: Checksum) -> None:
        self._execute(
            "update {0}.builds set status = 'verified', users = %s, rows = %s, checksum = %s where build_id = %s",
            (users, rows, checksum.digest, build),
        )

    def switch(
        self, build: Build, event: str, move: bool = True, requested_by: str | None = None, reason: str | None = None
    ) -> None:
        """Make a build the ready one of its release and, with `move`, the served one: one transaction.

        It takes the place of all other builds of its release but those that it lies over.
        """
        with warehouse.connect() as connection:
            self._run(
                connection,
                "update {0}.builds set status = 'retired' where release_id = %s and status = 'ready' and build_id <> all(%s)",
                (build.release_id, build.stack),
            )
            self._run(connection, "update {0}.builds set status = 'ready' where build_id = %s", (build.build_id,))
            if not move:
                return
            served = self._run(connection, "select build_id from {0}.pointer for update").fetchone()
            replaced = served[0] if served else None
            self._run(
                connection,
                "update {0}.builds set served_until = now()"
                " where build_id in (select build_id from {0}.served_builds) and build_id <> all(%s)",
                (build.stack,),
            )
            self._run(
                connection,
                "insert into {0}.pointer (build_id) values (%s)"
                " on conflict (only_row) do update set build_id = excluded.build_id",
                (build.build_id,),
            )
            self._run(connection, "update {0}.builds set served_until = null where build_id = any(%s)", (build.stack,))
            self._run(connection, "update {0}.builds set switched_at = now() where build_id = %s", (build.build_id,))
            self._record(connection, event, build, replaced, requested_by, reason)

    def mend_times(self) -> None:
        """Times that lie ahead, because the server's clock was set back, count from now: what they hold up ends in time."""
        self._execute(
            "update {0}.builds set created_at = least(created_at, now()),"
            " served_until = case when served_until > now() then now() else served_until end"
            " where created_at > now() or served_until > now()",
            (),
        )

    def removable(self, kept: int, grace_s: float, abandoned_after_s: float) -> list[Build]:
        """Builds that nothing needs: neither served, nor of the latest `kept` ready ones, nor just replaced.

        Readers that resolved the pointer a moment ago get `grace_s` to finish. A build that never became ready is
        abandoned after that many seconds, a layer at once, as who makes one holds the lock from beginning to end. What lies
        below a layer is needed until the layer is gone.
        """
        return self._read(
            """
            with ready as (
                select build_id from {0}.builds
                left join {0}.served_builds as served using (build_id)
                where status = 'ready' and base_build_id is null
                order by served.build_id is null, partition_date desc
                limit %(kept)s
            )
            select {1} from {0}.builds
            where not exists (select from ready where ready.build_id = builds.build_id)
            and not exists (select from {0}.served_builds as served where served.build_id = builds.build_id)
            and not exists (select from {0}.builds as layer where layer.base_build_id = builds.build_id)
            and coalesce(served_until < now() - make_interval(secs => %(grace)s), true)
            and (
                status in ('ready', 'retired') or base_build_id is not null
                or created_at < now() - make_interval(secs => %(abandoned)s)
            )
            order by split_part(build_id, '.', 2)::bigint
            """,
            {"kept": kept, "grace": grace_s, "abandoned": abandoned_after_s},
        )

    def retire(self, builds: list[Build]) -> None:
        """No rollback to these from now on."""
        self._execute(
            "update {0}.builds set status = 'retired' where status = 'ready' and build_id = any(%s)",
            ([build.build_id for build in builds],),
        )

    def forget(self, build: Build) -> None:
        """Remove the row of a build whose data is gone."""
        with warehouse.connect() as connection:
            self._run(connection, "delete from {0}.builds where build_id = %s", (build.build_id,))
            if not build.is_layer:  # a layer was replaced by the next one, which is recorded
                self._record(connection, "removed", build, None)

    def _record(
        self, connection: psycopg.Connection, event: str, build: Build, replaced: str | None,
        requested_by: str | None = None, reason: str | None = None,
    ) -> None:  # fmt: skip
        self._run(
            connection,
            "insert into {0}.release_events (event, release_id, build_id, replaced_build_id, requested_by, reason)"
            " values (%s, %s, %s, %s, %s, %s)",
            (event, build.release_id, build.build_id, replaced, requested_by, reason),
        )

    def _read(self, text: str, parameters: dict | None = None) -> list[Build]:
        with warehouse.connect() as connection:
            return self._builds(connection, text, parameters)

    def _builds(self, connection: psycopg.Connection, text: str, parameters: dict | None = None) -> list[Build]:
        with connection.cursor(row_factory=class_row(Build)) as cursor:
            return cursor.execute(self._sql(text), parameters).fetchall()

    def _execute(self, text: str, parameters: tuple) -> None:
        with warehouse.connect() as connection:
            self._run(connection, text, parameters)

    def _run(self, connection: psycopg.Connection, text: str, parameters: tuple = ()) -> psycopg.Cursor:
        return connection.execute(self._sql(text), parameters)

    def _sql(self, text: str) -> sql.Composed:
        schema = sql.Identifier(self.schema)
        return sql.SQL(text).format(schema, sql.SQL(_COLUMNS).format(schema))
