"""The uncertainty signals (DESIGN section 7): each in [0, 1], None where there is nothing to measure.

None of them costs a model call of its own: they read what the members have answered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from alarm_agents.types import Label, Perception, Precedent, Verdict


def by_round(verdicts: Iterable[Verdict]) -> list[list[Verdict]]:
    """The verdicts by round: the reasoners' first, then those of each reflection."""
    known = list(verdicts)
    count = max((verdict.round for verdict in known), default=-1) + 1
    return [[verdict for verdict in known if verdict.round == number] for number in range(count)]


def standing(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that stand: of the last round in which somebody answered, else of the last."""
    found = by_round(verdicts)
    return next((each for each in reversed(found) if usable(each)), found[-1] if found else [])


def usable(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that carry a probability."""
    return [verdict for verdict in verdicts if verdict.parse.usable and verdict.p_anomaly is not None]


def mean_p(verdicts: Sequence[Verdict]) -> float | None:
    """The mean p of an anomaly over the usable verdicts, by their weights; None without any."""
    found = usable(verdicts)
    weights = [verdict.weight for verdict in found]
    return fmean([verdict.p_anomaly or 0.0 for verdict in found], weights) if found else None


def comprehension(perceptions: Sequence[Perception]) -> float | None:
    """How much like perceivers disagree on what they see: mean Jaccard distance of their facts' subjects.

    1 - |A and B| / |A or B| over all pairs (ALARM compares perceivers pairwise by their texts; sets of facts
    need no embedding). A perceiver that gave no usable answer disagrees with everybody.
    """
    if len(perceptions) < 2:
        return None if not perceptions or perceptions[0].parse.usable else 1.0
    sets = [{f"{f.subject}|{f.attribute}".lower() for f in p.facts} if p.parse.usable else None for p in perceptions]
    distances: list[float] = []
    for i, a in enumerate(sets):
        for b in sets[i + 1 :]:
            if a is None or b is None:
                distances.append(1.0)
            else:
                distances.append(_jaccard(a, b))
    return sum(distances) / len(distances)


def analysis(verdicts: Sequence[Verdict], p: float | None) -> float:
    """How undecided the verdict is: 1 - |2p - 1| of its p, mixed with the share of verdicts that cannot be relied on.

    1.0 when nobody gave a usable answer. With n of N missing: 1 - (1 - n/N)(1 - margin term), so that a silent
    member can only raise it. One that cited a rule which it was not given counts as missing, too.
    """
    if p is None:
        return 1.0
    missing = 1.0 - sum(not verdict.unknown_rules for verdict in usable(verdicts)) / len(verdicts)
    return 1.0 - (1.0 - missing) * (1.0 - margin(p))


def reflection(before: float | None, after: float | None) -> float | None:
    """How far reflection moved p: |after - before|; 1.0 when it ended without an answer.

    That a second look tells uncertainty is ALARM's idea (Zhang et al., 2025, arXiv 2512.03101); the distance is ours.
    """
    if after is None:
        return 1.0
    return None if before is None else abs(after - before)


def memory(precedent: Precedent | None) -> float | None:
    """|p - p_M|: how far similar resolved cases move the members' p; None where memory is silent. Our own."""
    return abs(precedent.members - precedent.p) if precedent is not None and precedent.neighbours else None


def rule_ambiguity(margin: float | None) -> float | None:
    """How close the rules are: 1 - |a - n|, in [0, 1], after AnomalyRuler's rules of both kinds.

    `margin` is a - n: the cosine of what was seen to the best rule of anomaly, less that to the best normal rule, of
    the clause that is oddest (`alarm_agents.tools.deduction.Deduction`). None where there are not rules of both kinds.
    """
    return None if margin is None else max(0.0, 1.0 - abs(margin))


def critic(drafts: Sequence[Verdict], objections: Sequence[Sequence[str]]) -> float | None:
    """The share of first answers that rules or neighbours spoke against, in [0, 1] (AnomalyRuler's robust reasoning).

    `objections` are what speaks against each (`alarm_agents.agents.drafts`); unusable answers count for nothing, and
    None is for no usable one. An answer may have been set right since: this tells how contested a case is.
    """
    told = [bool(against) for draft, against in zip(drafts, objections, strict=True) if draft in usable(drafts)]
    return sum(told) / len(told) if told else None


def margin(p: float) -> float:
    """How near p is to even: 1 - |2p - 1|, in [0, 1] (Scheffer et al., 2001). It ranks as `entropy` does."""
    return 1.0 - abs(2.0 * p - 1.0)


def entropy(p: float) -> float:
    """Shannon's entropy of an event of probability p, in bits, in [0, 1]; of the mean p it is the total uncertainty."""
    return -sum(q * math.log2(q) for q in (p, 1.0 - p) if q > 0.0)


def mutual_information(members: Sequence[float]) -> float | None:
    """What the members disagree on: the entropy of their mean p minus their mean entropy, in [0, 1].

    The epistemic part of the total uncertainty; the mean entropy is the aleatoric part (Depeweg et al., ICML 2018).
    """
    if len(members) < 2:
        return None
    mean = sum(members) / len(members)
    return max(0.0, entropy(mean) - sum(map(entropy, members)) / len(members))


def vote_entropy(labels: Sequence[Label]) -> float | None:
    """The entropy of the share of members that say "anomalous", in bits, in [0, 1]; None without a vote.

    Dagan and Engelson (1995), who have people label what a committee of classifiers is least at one about.
    """
    votes = [label is Label.ANOMALOUS for label in labels if label is not Label.UNKNOWN]
    return entropy(sum(votes) / len(votes)) if votes else None


def dispersion(vectors: NDArray[np.float32]) -> float | None:
    """How far apart the members' texts are: 1 - their mean cosine over all pairs, in [0, 1] (opposites count as 1).

    `vectors` are unit vectors, (members, dimensions), of those that gave a text; None for less than two. Comparing
    what members saw pair by pair is ALARM's idea (Zhang et al., 2025, arXiv 2512.03101); the plain mean is ours.
    """
    count = len(vectors)
    if count < 2:
        return None
    total = float(np.square(np.asarray(vectors, float).sum(axis=0)).sum()) - float(np.square(vectors).sum())
    return min(1.0, max(0.0, 1.0 - total / (count * (count - 1))))


def set_disagreement(sets: Sequence[frozenset[str]]) -> float | None:
    """The mean Jaccard distance of all pairs, 1 - |A and B| / |A or B|, in [0, 1]; None for less than two sets.

    Our own: `dispersion` by the words themselves, without an embedding.
    """
    pairs = [(a, b) for i, a in enumerate(sets) for b in sets[i + 1 :]]
    return sum(_jaccard(a, b) for a, b in pairs) / len(pairs) if pairs else None


def _jaccard(a: Set[str], b: Set[str]) -> float:
    return 1.0 - len(a & b) / len(a | b) if a | b else 0.0
