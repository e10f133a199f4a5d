"""Judging clauses by rules in words, without a language model (after AnomalyRuler's deduction).

Three things are told of a caption: whether a clause says what a rule of anomaly says (its activity), whether it is
nearer to such a rule than to what is normal (its margin), and how unlike it is to the references (its novelty).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import snowballstemmer
from numpy.typing import NDArray
from scipy.special import bdtrc

from alarm_agents.memory.embedders import Embedder
from alarm_agents.tools.clauses import Clause, Kind, atoms, clauses, words
from alarm_agents.types import Rule, RuleKind

SAID = 0.7
"""Likeness of words from which on one stands for the other ("bicycle" and "bike" are at 0.76)."""
HALF = 0.5
"""Likeness up to which a rule's word counts as not said at all."""
USUAL_SHARE = 0.05
"""What a rule of anomaly speaks of is normal here where more references than this share say it (5% level)."""
NOVEL, STEEP, TRUSTED, DOUBTED = 0.05, 4, 4.0, 0.2
"""How unlike each other references may be (median novelty of one held against the others) for half of the trust in what
they have in common with a caption, how steeply that falls, and what full trust is, and the least, against the activity
of a rule."""
ODDEST = 0.5
"""How much the clause that says most of a rule counts beside the mean over clauses, where references tell little."""
UNTRIED = 0.25
"""The share of full trust where there are not two references to be held against each other."""
FRESH = 0.2
"""Novelty from which on an activity counts in full: what references say word for word is none, whatever rules say."""
USUAL, LEAST = 0.3, 0.01
"""The oddity of what is said as usual, and the least there is."""
MOST_KEPT = 50_000
"""Clauses remembered; a stream repeats itself, and memory must not grow with it."""

Vectors = NDArray[np.float32]
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The word without its ending (Porter's second stemmer): "riding" and "rides" are "ride"."""
    return str(_stemmer.stemWord(word))


@dataclass(frozen=True)
class Atom:
    """One alternative of a rule."""

    clause: Clause
    rule: Rule
    words: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """A clause held against the rules."""

    clause: Clause
    activity: float
    """How far all the words of a rule of anomaly are said, in [0, 1]."""
    margin: float
    """Likeness to the nearest rule of anomaly less that to the nearest normal statement, in [-1, 1]."""
    novelty: float
    """1 - likeness to the nearest clause of the references, in [0, 1]."""
    odd: Atom | None
    """The nearest rule of anomaly."""
    usual: str
    """The nearest normal statement."""
    by: Rule | None
    """The rule that says so; None where references say it, and none of what is usual there stands for it."""


@dataclass(frozen=True)
class Judged:
    """What the clauses of a caption come to. `oddity` is at least 0, higher is odder."""

    oddity: float
    novelty: float
    worst: Held | None
    """The clause that is oddest."""
    contest: float | None = None
    """The largest margin of a clause; None where there are not rules, or statements, of both kinds."""


class Statements:
    """Texts with their vectors, of persons and of things apart."""

    def __init__(self, texts: Sequence[Clause], embedder: Embedder) -> None:
        self.of: dict[Kind, list[int]] = {
            kind: [i for i, clause in enumerate(texts) if clause.kind == kind] for kind in ("person", "thing")
        }
        self._vectors = embedder.embed([clause.text for clause in texts])

    def likeness(self, kind: Kind, vector: Vectors, without: frozenset[int] = frozenset()) -> tuple[float, int]:
        """The largest cosine similarity, at least 0, and whose it is (-1 where there is none)."""
        places = [i for i in self.of[kind] if i not in without] if without else self.of[kind]
        if not places:
            return 0.0, -1
        similar = self._vectors[places] @ vector
        best = int(np.argmax(similar))
        return max(0.0, float(similar[best])), places[best]


class Deduction:
    """The rules in words and what references say, ready to judge captions.

    `references` are the clauses of each reference caption. They join the bank of normality; a rule's alternative that
    they say too often (one-sided binomial test) is taken as normal here, unless a person wrote the rule. Rules of what
    is usual there (`Rule.usual`) name clauses of the bank and count for nothing beside these, which they are made of;
    one that a person has taken back takes its clauses with it.
    """

    def __init__(self, embedder: Embedder, rules: Sequence[Rule], references: Sequence[Sequence[Clause]]) -> None:
        self._embedder = embedder
        self._by_word: dict[str, Vectors] = {}
        self._known: dict[Clause, Held] = {}
        said = list(dict.fromkeys(clause for reference in references for clause in reference))
        self._names = self._named(said, [rule for rule in rules if rule.usual])
        unsaid = {clause for clause, rule in self._names.items() if rule.taken_back}
        rest = [[clause for clause in reference if clause not in unsaid] for reference in references]
        references = [reference for reference in rest if reference]
        self._bank = [clause for clause in said if clause not in unsaid]
        parted = [(rule, clause) for rule in rules if not rule.usual for clause in atoms(rule.text)]
        self._usual = [(rule, clause) for rule, clause in parted if rule.kind is RuleKind.NORMAL]
        odd = [(rule, clause) for rule, clause in parted if rule.kind is RuleKind.ANOMALOUS]
        self._set_odd(odd)
        normal, told = self._normal_here(references)
        if normal:
            self._set_odd([each for i, each in enumerate(odd) if i not in normal])
        self._normal = Statements([clause for _, clause in self._usual], embedder)
        self._usual_stems = [(clause.kind, set(map(stem, words(clause.text)))) for _, clause in self._usual]
        self._said = Statements(self._bank, embedder)
        self._trust, self._margin = TRUSTED * UNTRIED, -1.0
        # What changes the definition does not tell how alike references are which are there for what is usual.
        plain = [reference for reference, says in zip(references, told, strict=True) if not says]
        left_out = self._each_by_the_others(plain if len(plain) > 1 else references)
        if left_out:
            self._margin = float(np.median([np.mean([each.margin for each in _acting(held)]) for held in left_out]))
        if len(left_out) > 1:
            novelty = float(np.median([self._sum(held).novelty for held in left_out]))
            self._trust = DOUBTED + (TRUSTED - DOUBTED) / (1.0 + (max(0.0, novelty) / NOVEL) ** STEEP)
        self.typical = float(np.median([self._sum(held).oddity for held in left_out])) if left_out else 1.0
        """The median oddity of a reference, held against the others; 1 without any."""

    def judge(self, captions: Sequence[str]) -> list[Judged]:
        """Judge captions. One without clauses says nothing, and is neither odd nor new."""
        return self.judge_said([clauses(caption) for caption in captions])

    def judge_said(self, said: Sequence[Sequence[Clause]]) -> list[Judged]:
        """Judge captions by their clauses."""
        self._hold(list(dict.fromkeys(clause for each in said for clause in each)))
        return [self._sum([self._known[clause] for clause in each]) for each in said]

    def oddest_first(self, said: Sequence[Clause]) -> list[Clause]:
        """The clauses, each once, those first that speak for an anomaly most."""
        self._hold(list(dict.fromkeys(said)))
        return sorted(dict.fromkeys(said), key=lambda clause: _oddness(self._known[clause]), reverse=True)

    def _sum(self, held: Sequence[Held]) -> Judged:
        """How far what is said is what rules of anomaly say, and how much nearer to these it is than references are.

        Both are means over clauses, since a long caption is likelier to hold some odd words. How near something is to
        normal hangs on which references were drawn: margins count as far as references resemble each other, and where
        these do not, what one clause alone says counts for more.
        """
        if not held:
            return Judged(0.0, 0.0, None)
        acting = _acting(held)
        told = [*acting, *(each for each in held if each not in acting and each.activity >= SAID)]
        said = [_active(each) for each in told]
        alone = ODDEST * (1.0 - self._trust / TRUSTED)
        activity = (1.0 - alone) * float(np.mean(said)) + alone * max(said)
        margin = float(np.mean([each.margin for each in acting]))
        novelty = float(np.mean([each.novelty for each in acting]))
        worst = max(held, key=_oddness)
        beyond = (activity + self._trust * (margin - self._margin)) / (1.0 + self._trust)
        oddity = max(LEAST, USUAL + beyond)
        contested = self._odd and (self._usual or self._bank)
        return Judged(oddity, novelty, worst, max(each.margin for each in held) if contested else None)

    def _hold(self, said: Sequence[Clause]) -> None:
        """Hold the clauses that are new to it against rules and references, all in one go of the embedder."""
        new = [clause for clause in said if clause not in self._known]
        if not new:
            return
        if len(self._known) > MOST_KEPT:
            kept = set(said)
            self._known = {clause: held for clause, held in self._known.items() if clause in kept}
        self._vectors_of([word for clause in new for word in words(clause.text)])
        for clause, vector in zip(new, self._embedder.embed([clause.text for clause in new]), strict=True):
            self._known[clause] = self._against(clause, vector)

    def _against(self, clause: Clause, vector: Vectors, without: frozenset[int] = frozenset()) -> Held:
        nearest, atom, activity = 0.0, None, 0.0
        concerned = self._concerned[clause.kind]
        if len(concerned):
            covered = self._covered(clause)
            for i, exception in self._narrower:
                if covered[i] >= SAID and self._says(words(clause.text), exception):
                    covered[i] = 0.0
            covered = covered[concerned]
            alike = np.maximum(0.0, self._odd_vectors[concerned] @ vector)
            activity, nearest = float(covered.max()), float(alike.max())
            atom = self._odd[concerned[int(np.argmax(covered + alike + (covered >= SAID)))]]
        by_rule, rule = self._normal.likeness(clause.kind, vector)
        told = self._told(clause) if by_rule < SAID else -1
        if told >= 0:
            by_rule, rule = SAID, told
        by_reference, place = self._said.likeness(clause.kind, vector, without)
        usual, by = ("", None)
        if by_reference >= by_rule and place >= 0:
            usual, by = self._bank[place].text, self._names.get(self._bank[place])
        elif rule >= 0:
            by, usual = self._usual[rule][0], self._usual[rule][1].text
        novelty = 1.0 - min(1.0, by_reference if self._bank else by_rule)
        return Held(clause, activity, nearest - max(by_rule, by_reference), novelty, atom, usual, by)

    def _covered(self, clause: Clause) -> NDArray[np.float64]:
        """For each alternative of the rules of anomaly, how far its least said word is said: (n,), in [0, 1]."""
        said = words(clause.text)
        alike = np.maximum(0.0, self._word_vectors @ self._vectors_of(said).T).max(axis=1).astype(float)
        stems = set(map(stem, said))
        alike[[i for i, each in enumerate(self._word_stems) if each in stems]] = 1.0
        found: NDArray[np.float64] = np.minimum.reduceat(alike, self._word_starts)
        return found

    def _named(self, said: Sequence[Clause], rules: Sequence[Rule]) -> dict[Clause, Rule]:
        """Of clauses that references say those that a rule of what is usual stands for, each with the nearest one."""
        if not said or not rules:
            return {}
        parted = [(rule, clause) for rule in rules for clause in atoms(rule.text)]
        stated = Statements([clause for _, clause in parted], self._embedder)
        found = {}
        for clause, vector in zip(said, self._embedder.embed([clause.text for clause in said]), strict=True):
            alike, place = stated.likeness(clause.kind, vector)
            if alike >= SAID:
                found[clause] = parted[place][0]
        return found

    def _told(self, clause: Clause) -> int:
        """The first normal alternative of which every word is said, whatever is said beside it; -1 where none is."""
        said = set(map(stem, words(clause.text)))
        places = (i for i, (kind, wanted) in enumerate(self._usual_stems) if kind == clause.kind and wanted <= said)
        return next(places, -1)

    def _exceptions(self, atom: Atom) -> list[list[str]]:
        """The words of normal alternatives that say what this one of anomaly says, and more: "parked cars", "cars"."""
        usual = [words(clause.text) for _, clause in self._usual]
        return [each for each in usual if len(each) > len(atom.words) and self._says(each, atom.words)]

    def _says(self, said: Sequence[str], wanted: Sequence[str]) -> bool:
        """Whether all words that are wanted are said."""
        alike = self._vectors_of(wanted) @ self._vectors_of(said).T
        stems = set(map(stem, said))
        return all(stem(word) in stems or row.max() >= SAID for word, row in zip(wanted, alike, strict=True))

    def _vectors_of(self, said: Sequence[str]) -> Vectors:
        """The vectors of words, each embedded once."""
        new = [word for word in dict.fromkeys(said) if word not in self._by_word]
        if new:
            self._by_word.update(zip(new, self._embedder.embed(new), strict=True))
        return np.stack([self._by_word[word] for word in said])

    def _set_odd(self, odd: Sequence[tuple[Rule, Clause]]) -> None:
        """Judge by these alternatives; those of things are held against clauses of persons, too."""
        self._odd = [Atom(clause, rule, tuple(words(clause.text))) for rule, clause in odd]
        said = [word for atom in self._odd for word in atom.words]
        self._word_stems = [stem(word) for word in said]
        self._word_vectors = self._embedder.embed(said)
        self._word_starts = np.cumsum([0, *(len(atom.words) for atom in self._odd)])[:-1]
        self._odd_vectors = self._embedder.embed([atom.clause.text for atom in self._odd])
        self._narrower = [(i, said) for i, atom in enumerate(self._odd) for said in self._exceptions(atom)]
        things = [i for i, atom in enumerate(self._odd) if atom.clause.kind == "thing"]
        self._concerned = {"person": np.arange(len(self._odd)), "thing": np.array(things, int)}

    def _normal_here(self, references: Sequence[Sequence[Clause]]) -> tuple[set[int], list[bool]]:
        """The alternatives that references say too often for them to be odd, and which references say any of them."""
        if not references or not self._odd:
            return set(), [False] * len(references)
        says = {clause: np.flatnonzero(self._covered(clause) >= SAID).tolist() for clause in self._bank}
        said = [
            {i for clause in reference for i in says[clause] if i in self._concerned[clause.kind]}
            for reference in references
        ]
        count = np.array([sum(i in each for each in said) for i in range(len(self._odd))])
        often = bdtrc(np.maximum(count - 1, 0), len(references), USUAL_SHARE) <= USUAL_SHARE * (1 + 1e-9)
        by_person = [atom.rule.provenance.origin in ("person", "review") for atom in self._odd]
        normal = set(np.flatnonzero(often & (count > 0) & ~np.array(by_person)).tolist())
        return normal, [bool(each & normal) for each in said]

    def _each_by_the_others(self, references: Sequence[Sequence[Clause]]) -> list[list[Held]]:
        """The clauses of each reference held against the other references (one alone: against its other clauses)."""
        place = {clause: i for i, clause in enumerate(self._bank)}
        vectors = dict(zip(self._bank, self._embedder.embed([clause.text for clause in self._bank]), strict=True))
        found = []
        for i, reference in enumerate(references):
            others = {clause for k, other in enumerate(references) if k != i for clause in other}
            apart = [others if others else set(reference) - {clause} for clause in reference]
            found.append(
                [
                    self._against(clause, vectors[clause], frozenset(place[c] for c in place if c not in kept))
                    for clause, kept in zip(reference, apart, strict=True)
                ]
            )
        return found


def _oddness(held: Held) -> tuple[bool, float]:
    """What clauses are compared by: whether it says what a rule of anomaly says, and how near it comes to that."""
    return held.activity >= SAID, held.margin + held.activity


def _active(held: Held) -> float:
    """How far the clause says what a rule of anomaly says and references do not, in [0, 1]."""
    return max(0.0, held.activity - HALF) / (1.0 - HALF) * min(1.0, max(0.0, held.novelty) / FRESH)


def _acting(held: Sequence[Held]) -> Sequence[Held]:
    """The clauses of persons; of things, captions name others each time, so they count only where there is nobody."""
    return [each for each in held if each.clause.kind == "person"] or held
