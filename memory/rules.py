"""Rule memory: immutable versions in `alarm.db`, and a revision number that moves when what judges changes.

Whoever judges a window reads the revision first, so that a change made by another process counts from the
next window on.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import time
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, bindparam, false, func, insert, or_, select, update

from alarm_agents.errors import ConfigurationError, NotFoundError
from alarm_agents.types import Provenance, Rule, RuleKind, RuleStatus
from alarm_agents.workspace import database as db
from alarm_agents.workspace.prepared import Prepared

ASKED = 5
"""Guiding questions that a perceiver is asked at once (as many as VERA's)."""
HINT = "see `alarm rules list --everything`"


def rule_id(text: str) -> str:
    """A readable id for a rule: its first words and a short hash of all of them."""
    words = re.findall(r"[a-z0-9]+", text.lower())[:6]
    return "-".join([*words, hashlib.sha256(text.encode()).hexdigest()[:6]])


class RuleMemory:
    """The rules of one scenario in one namespace."""

    def __init__(self, engine: Engine, scenario: str, namespace: str = "main") -> None:
        self._engine, self.scenario, self.namespace = engine, scenario, namespace
        self._mine = (db.rules.c.scenario == scenario, db.rules.c.namespace == namespace)
        last = select(func.max(db.rules.c.revision)).where(*self._mine)
        self._revision = Prepared(last)
        concerned = or_(db.rules.c.source == "", db.rules.c.source == bindparam("concerned"))
        self._revision_for = Prepared(last.where(concerned))

    def revision(self, source: str | None = None) -> int:
        """The number of the last change to the rules that concern `source` (all, when None); 0 before the first."""
        asked = self._revision if source is None else self._revision_for
        return asked.first(self._engine, {"concerned": source})[0] or 0

    def latest(self, source: str | None = None, revision: int | None = None) -> list[Rule]:
        """Each rule in its latest version (the latest by that revision), whatever its status, by id."""
        c = db.rules.c
        known = self._mine if revision is None else (*self._mine, c.revision <= revision)
        newest = select(c.id, func.max(c.version).label("version")).where(*known).group_by(c.id).subquery()
        query = (
            select(c.record)
            .join(newest, (c.id == newest.c.id) & (c.version == newest.c.version))
            .where(*self._mine)
            .order_by(c.id)
        )
        if source is not None:
            query = query.where(c.source.in_(["", source]))
        with self._engine.connect() as connection:
            return [Rule.model_validate(row) for row in connection.scalars(query)]

    def active(self, source: str | None = None, revision: int | None = None) -> list[Rule]:
        """The rules that judge windows of `source` (that judged them at that revision): those that are active."""
        return [rule for rule in self._active(source, revision) if rule.kind is not RuleKind.QUESTION]

    def taken_back(self, source: str | None = None, revision: int | None = None) -> list[Rule]:
        """What references usually say and a person does not want to count as normal, see `Rule.taken_back`."""
        return [rule for rule in self.latest(source, revision) if rule.taken_back]

    def questions(self, source: str | None = None, revision: int | None = None) -> list[Rule]:
        """The guiding questions that perceivers are asked (were asked at that revision), at most `ASKED`.

        Those of persons come first, then those whose answers told reviewed cases apart best, then those with votes.
        """

        def rank(rule: Rule) -> tuple[bool, float, float, str]:
            origin = rule.provenance
            learned = origin.origin not in ("person", "scenario")
            return (learned, -(origin.auroc or 0.0), -origin.votes / max(1, origin.batches), rule.id)

        found = [rule for rule in self._active(source, revision) if rule.kind is RuleKind.QUESTION]
        return sorted(found, key=rank)[:ASKED]

    def _active(self, source: str | None, revision: int | None) -> list[Rule]:
        return [rule for rule in self.latest(source, revision) if rule.status is RuleStatus.ACTIVE]

    def history(self, rule: str) -> list[Rule]:
        """All versions of a rule, the oldest first; raises `NotFoundError`."""
        query = select(db.rules.c.record).where(*self._mine, db.rules.c.id == rule).order_by(db.rules.c.version)
        with self._engine.connect() as connection:
            found = [Rule.model_validate(row) for row in connection.scalars(query)]
        if not found:
            near = difflib.get_close_matches(rule, [known.id for known in self.latest()], n=1)
            hint = f"did you mean '{near[0]}'?" if near else HINT
            raise NotFoundError(f"scenario '{self.scenario}' has no rule '{rule}'", remedy=hint)
        return found

    def add(self, rules: Sequence[Rule]) -> list[Rule]:
        """Store the rules as new versions, in one transaction and one revision; returns them as stored.

        A rule that says what its latest version says already is left alone. The revision stays where it is when no
        version that is active comes or goes: a proposed rule is no reason to watch anything again.
        """
        with self._engine.begin() as connection:
            # An update of nothing takes SQLite's write lock, so that two processes cannot pick one version.
            connection.execute(update(db.rules).where(false()).values(id=db.rules.c.id))
            last = connection.scalar(select(func.max(db.rules.c.revision)).where(*self._mine)) or 0
            return [self._add(connection, rule, last) for rule in rules]

    def set_status(self, rule: str, status: RuleStatus, note: str = "") -> Rule:
        """A new version of the rule with that status; raises `NotFoundError`."""
        last = self.history(rule)[-1]
        provenance = last.provenance.model_copy(update={"note": note}) if note else last.provenance
        return self.add([last.model_copy(update={"status": status, "provenance": provenance})])[0]

    def rollback(self, rule: str, version: int) -> Rule:
        """A new version of the rule that says what `version` said; raises `NotFoundError`."""
        for old in self.history(rule):
            if old.version == version:
                note = f"rolled back to version {version}"
                return self.add([old.model_copy(update={"provenance": _noted(old.provenance, note)})])[0]
        raise NotFoundError(f"rule '{rule}' has no version {version}", remedy=f"see `alarm rules show {rule}`")

    def diff(self, rule: str, old: int, new: int) -> str:
        """What changed from one version to another, as a unified diff (empty when nothing did)."""
        versions = {found.version: found for found in self.history(rule)}
        for version in (old, new):
            if version not in versions:
                raise NotFoundError(f"rule '{rule}' has no version {version}", remedy=f"see `alarm rules show {rule}`")
        before, after = (versions[v].model_dump_json(indent=2).splitlines() for v in (old, new))
        return "\n".join(difflib.unified_diff(before, after, f"{rule} v{old}", f"{rule} v{new}", lineterm=""))

    def _add(self, connection: Connection, rule: Rule, revision: int) -> Rule:
        """The rule as stored, at the revision after that one if it changes what judges."""
        c = db.rules.c
        query = select(c.record).where(*self._mine, c.id == rule.id).order_by(c.version.desc()).limit(1)
        found = connection.scalar(query)
        last = Rule.model_validate(found) if found is not None else None
        if last is not None and _says(last) == _says(rule):
            return last
        rule = rule.model_copy(update={"version": last.version + 1 if last else 1, "created": time.time()})
        judges = RuleStatus.ACTIVE in (rule.status, last and last.status)
        connection.execute(
            insert(db.rules).values(
                namespace=self.namespace,
                scenario=self.scenario,
                id=rule.id,
                version=rule.version,
                source=rule.source,
                status=rule.status.value,
                revision=revision + 1 if judges else revision,
                record=rule.model_dump(mode="json"),
            )
        )
        return rule


def scenarios_with(engine: Engine, rule: str | None = None, namespace: str = "main") -> list[str]:
    """The scenarios that have a rule of that id (any rule, when None), by name."""
    query = select(db.rules.c.scenario).distinct().where(db.rules.c.namespace == namespace)
    if rule is not None:
        query = query.where(db.rules.c.id == rule)
    with engine.connect() as connection:
        return sorted(connection.scalars(query))


def written_by_person(text: str, kind: RuleKind, *, predicate: str | None, severity: int, author: str) -> Rule:
    """A person's rule, ready for `RuleMemory.add`; raises `ConfigurationError` when it says nothing."""
    if not text.strip():
        raise ConfigurationError("a rule needs words", remedy='for example: alarm rules add "nobody rides a bicycle"')
    if kind is RuleKind.QUESTION and predicate is not None:
        remedy = "leave it out; a rule can be made of the answers"
        raise ConfigurationError("a question is asked of perceivers and has no predicate", remedy=remedy)
    return Rule(
        id=rule_id(text),
        kind=kind,
        text=text.strip(),
        predicate=predicate,
        severity=severity,
        provenance=Provenance(origin="person", author=author),
    )


def proposed(rule: Rule, predicate: str, *, author: str, said: str) -> Rule:
    """A rule beside a person's, with the predicate that a model has read from its words; it waits for approval."""
    provenance = Provenance(origin="person", author=author, note=said)
    update = {"predicate": predicate, "status": RuleStatus.PROPOSED, "provenance": provenance}
    return rule.model_copy(update={"id": rule_id(f"{rule.text} {predicate}"), **update})


def _says(rule: Rule) -> str:
    """All of a rule but its version and its time."""
    return rule.model_dump_json(exclude={"version", "created"})


def _noted(provenance: Provenance, note: str) -> Provenance:
    return provenance.model_copy(update={"note": note})
