"""Brings a database up to date: Piccolo's migrations, the layout of every class, capture, and what domains bring along.

Owns: `migrate`. Holds: it may run any time, in any number of processes at once, on an empty database, on one of ours and on one
that Parse Server made; what is there is adopted, nothing is dropped; a step is done whole or not at all. May import the rest of
store.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig
from piccolo.table import Table, create_table_class, sort_table_classes

from app.core.wire import Object
from app.errors import ErrorCode
from app.store.accesslog import ACCESS_DDL, subject_ddl
from app.store.alerts import ALERT_DDL
from app.store.audit import AUDIT_DDL
from app.store.changes.capture import CHANGE_DDL, install_registry_capture, maintain
from app.store.changes.told import TOLD_DDL
from app.store.configs import install_configs
from app.store.database import Connection, Database
from app.store.files import FILES_DDL
from app.store.identities import IDENTITIES_DDL
from app.store.mails import MAIL_DDL
from app.store.refusals import register_sentence
from app.store.requests import REQUEST_DDL
from app.store.rows.expressions import PIPELINE_DDL
from app.store.rows.render import RENDER_DDL
from app.store.schemas import Schemas
from app.store.tables import AccessLog, Alert, AuditLog

_LOCK = 7_164_021_002

register_sentence("_User_unique_username", "Account already exists for this username.", ErrorCode.USERNAME_TAKEN)
register_sentence("_User_unique_email", "Account already exists for this email address.", ErrorCode.EMAIL_TAKEN)

SYSTEM_DDL = """
create unique index if not exists "_User_unique_username" on "_User" ("username");
create unique index if not exists "_User_unique_email" on "_User" ("email");
create unique index if not exists "_Role_unique_name" on "_Role" ("name");
create index if not exists "case_insensitive_username" on "_User" (lower("username") varchar_pattern_ops);
create index if not exists "case_insensitive_email" on "_User" (lower("email") varchar_pattern_ops);
create index if not exists "_email_verify_token" on "_User" ("_email_verify_token");
create index if not exists "_perishable_token" on "_User" ("_perishable_token");
create index if not exists "_Session_token" on "_Session" ("sessionToken");
create index if not exists "_Session_user" on "_Session" ("user");

-- A token that Parse Server stored plain is kept as its hash; who holds the token stays signed in.
update "_Session" set "sessionToken" = 'sha256:' || encode(sha256(convert_to("sessionToken", 'UTF8')), 'hex')
where "sessionToken" like 'r:%';
"""


class Declaring(Protocol):
    """What migrate needs of a domain."""

    @property
    def tables(self) -> Sequence[type[Table]]: ...
    @property
    def permissions(self) -> Mapping[str, Object]: ...
    @property
    def sql(self) -> str: ...
    @property
    def sentences(self) -> Mapping[str, str]: ...
    @property
    def subjects(self) -> Mapping[str, str]: ...


async def migrate(database: Database, domains: Iterable[Declaring] = ()) -> Schemas:
    """Brings the started database up to date and returns its registry of classes."""
    domains = tuple(domains)
    guard = await database.connect(application_name="careboard-migrate", statement_timeout="0")
    try:
        await guard.execute("select pg_advisory_lock($1)", _LOCK)
        for package in ("app.store", *(domain.tables[0].__module__.rpartition(".")[0] for domain in domains)):
            await _forward(database, package)
        schemas = await _shape(database, domains)
        await maintain(guard, timedelta(hours=database.settings.change_retention_hours))
    finally:
        await guard.close()
    return schemas


def declare(database: Database, domains: Iterable[Declaring] = ()) -> Schemas:
    """The registry with everything that code declares; `await schemas.load()` adds what the database has."""
    schemas = Schemas(database)
    schemas.register(AuditLog, _AUDIT_PERMISSIONS)
    schemas.register(Alert, _ALERT_PERMISSIONS)
    schemas.register(AccessLog, _ACCESS_PERMISSIONS)
    for domain in domains:
        for table in domain.tables:
            schemas.register(table, domain.permissions.get(table._meta.tablename, {}))
        for constraint, sentence in domain.sentences.items():
            register_sentence(constraint, sentence)
    return schemas


# Written by the server; an administrator reads, and adds notes.
_AUDIT_PERMISSIONS: Object = {
    **{operation: {"role:admin": True} for operation in ("find", "get", "count", "create")},
    **{operation: {} for operation in ("update", "delete", "addField")},
}

# Who looked may write it down, and nobody anything else; who may read a row is told by its ACL.
_ACCESS_PERMISSIONS: Object = {
    **{operation: {"requiresAuthentication": True} for operation in ("find", "get", "count", "create")},
    **{operation: {} for operation in ("update", "delete", "addField")},
}

# Raised by the server alone; whom it is for says that it was seen.
_ALERT_PERMISSIONS: Object = {
    **{operation: {"requiresAuthentication": True} for operation in ("find", "get", "count", "update")},
    **{operation: {} for operation in ("create", "delete", "addField")},
}


async def _shape(database: Database, domains: tuple[Declaring, ...]) -> Schemas:
    schemas = declare(database, domains)
    async with _patient(database) as connection:
        await connection.execute(CHANGE_DDL)
        await connection.execute(TOLD_DDL)
        await connection.execute(MAIL_DDL)
        await connection.execute(REQUEST_DDL)
        await connection.execute(_FORGET_FOREIGN_CHANGES)
        await connection.execute(RENDER_DDL)
        await connection.execute(PIPELINE_DDL)
        await connection.execute(FILES_DDL)
        await schemas.adopt(connection)
        await install_registry_capture(connection)
        await connection.execute(SYSTEM_DDL)
        await install_configs(connection)
        await connection.execute(IDENTITIES_DDL)
        await connection.execute(AUDIT_DDL)
        await connection.execute(ALERT_DDL)
        subjects = {name: path for domain in domains for name, path in domain.subjects.items()}
        await connection.execute(subject_ddl(subjects, schemas.get))
        await connection.execute(ACCESS_DDL)
        for domain in domains:
            if domain.sql.strip():
                await connection.execute(domain.sql)
    await schemas.load()
    return schemas


# A dump restored into a younger cluster brings changes whose xids this one has yet to give out: they would be told again as new.
_FORGET_FOREIGN_CHANGES = "delete from careboard.change where xid >= pg_snapshot_xmax(pg_current_snapshot())"


@asynccontextmanager
async def _patient(database: Database) -> AsyncIterator[Connection]:
    """A transaction in which a statement may take its time, for an index on a big table does."""
    async with database.transaction() as connection:
        await connection.execute("set local statement_timeout = 0")
        yield connection


async def _forward(database: Database, package: str) -> None:
    """Runs the migrations of the Piccolo app in `package` that have not run, each in a transaction with the note that it ran."""
    config: AppConfig = import_module(f"{package}.piccolo_app").APP_CONFIG
    database.bind()
    await Migration.create_table(if_not_exists=True)
    ran = set(await Migration.get_migrations_which_ran(app_name=config.app_name))
    found = [*_migrations(package, config)]
    modules = {module.ID: module for module in found}
    if len(modules) < len(found):
        raise RuntimeError(f"Two migrations of {package} have the same ID; one of them would never run.")
    for migration_id in sorted(modules.keys() - ran):
        async with _patient(database):
            planned: MigrationManager | None = await modules[migration_id].forwards()
            if planned is not None:
                await _Adopting.of(planned, database).run()
            await Migration.insert().add(Migration(name=migration_id, app_name=config.app_name)).run()


def _migrations(package: str, config: AppConfig) -> Iterator[ModuleType]:
    for path in Path(config.resolved_migrations_folder_path).glob("[!_]*.py"):
        yield import_module(f"{package}.migrations.{path.stem}")


class _Adopting(MigrationManager):
    """Piccolo's manager, which takes a table that is there for its own and adds what it lacks; and prints nothing."""

    database: Database

    @classmethod
    def of(cls, planned: MigrationManager, database: Database) -> "_Adopting":
        manager = cls(**{field.name: getattr(planned, field.name) for field in fields(planned)})
        manager.database = database
        return manager

    async def run(self, backwards: bool = False) -> None:
        for raw in self.raw:
            outcome = raw()
            if inspect.isawaitable(outcome):
                await outcome
        for step in self._steps():
            await step()

    def _steps(self) -> Sequence[Callable[[], Awaitable[None]]]:
        manager: Any = self
        return (
            self._adopt_tables,
            manager._run_change_table_schema,
            manager._run_rename_tables,
            manager._run_add_columns,
            manager._run_drop_columns,
            manager._run_drop_tables,
            manager._run_rename_columns,
            manager._run_alter_columns,
            manager._run_add_constraints,
            manager._run_drop_constraints,
        )

    async def _adopt_tables(self) -> None:
        planned = [self._table(added.class_name, added.tablename) for added in self.add_tables]
        async with self.database.transaction() as connection:
            for table in sort_table_classes(planned):
                name = table._meta.get_formatted_tablename()
                adopted = await connection.fetchval("select to_regclass($1::text) is not null", name)
                await self._run_query(table.create_table(if_not_exists=True))
                for column in table._meta.columns if adopted else ():
                    # Rows that are there have no value for it; the rule of the class still asks new ones for it.
                    definition = column.ddl.replace(" NOT NULL", "")
                    await connection.execute(f"alter table {name} add column if not exists {definition}")

    def _table(self, class_name: str, tablename: str) -> type[Table]:
        members = {each.column._meta.name: each.column for each in self.add_columns.for_table_class_name(class_name)}
        table = create_table_class(class_name, class_kwargs={"tablename": tablename}, class_members=members)
        table._meta.constraints.extend(self.add_constraints.constraints_for_table_class_name(class_name))
        return table

    async def _run_query(self, query: Any) -> None:
        query.table._meta.db = self.database.engine
        await query.run()
