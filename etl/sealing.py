"""What the ledger keeps openly of places that turn confidential: findings may quote the words of their records."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from django.db.models import Q, QuerySet
from django.dispatch import receiver
from django.utils import timezone

from etl.assessment import HIDES_WORDS, hide_headings
from etl.models import ImportRun, QualitySnapshot, RunRequest, SourceRecordVersion
from facilities.models import Facility
from facilities.sealing import sealed


@receiver(sealed, sender=Facility)
def hide_words(facilities: Collection[int], **_: object) -> None:
    """Take the words of these places' records out of findings, and out of the summaries of the runs that found them."""
    hide_words_in(SourceRecordVersion.objects.filter(source_record__facility__in=facilities), ImportRun.objects.all())
    _withdraw_previews()
    _forget_anomalies(set(Facility.objects.filter(pk__in=facilities).values_list("facility_code", flat=True)))


def _forget_anomalies(codes: AbstractSet[str]) -> None:
    """Take these places out of what was found about the whole registry: how far one lies from others tells where it is."""
    named = Q()
    for code in codes:
        named |= Q(anomalies__found__contains=[{"facilities": [code]}])
    for snapshot in QualitySnapshot.objects.filter(named).select_related("run") if codes else ():
        found = _without(snapshot.anomalies["found"], codes)
        snapshot.anomalies |= {"found": found, "far": [code for code in snapshot.anomalies["far"] if code not in codes]}
        snapshot.save(update_fields=["anomalies"])
        snapshot.run.findings = found
        snapshot.run.summary |= {"findings": found}
        snapshot.run.save(update_fields=["findings", "summary"])


def _without(found: Sequence[dict[str, Any]], codes: AbstractSet[str]) -> list[dict[str, Any]]:
    """Return the anomalies that name other places, too, without these codes."""
    kept = [one | {"facilities": [code for code in one["facilities"] if code not in codes]} for one in found]
    return [one for one, before in zip(kept, found, strict=True) if one["facilities"] or not before["facilities"]]


def _withdraw_previews() -> None:
    """Empty every preview, and take back those that wait for a person's word: they may name one of these places.

    One that is being made may have read the place before: it finds its request taken back, and is not kept.
    """
    previews = RunRequest.objects.exclude(kind=RunRequest.Kind.REPLAY)
    kept = previews.exclude(preview={})
    in_the_making = Q(state=RunRequest.State.WORKING, phase=RunRequest.Phase.PREVIEW)
    waiting = previews.filter(in_the_making | (Q(state=RunRequest.State.READY) & ~Q(preview={})))
    reason = "a place turned confidential since this preview was made; ask for a new one"
    waiting.update(state=RunRequest.State.REFUSED, state_since=timezone.now(), preview={}, error=reason)
    kept.exclude(state__in=[RunRequest.State.DONE, RunRequest.State.CANCELLED]).update(
        preview={}
    )  # of failed ones, too


def hide_words_in(versions: QuerySet[SourceRecordVersion], runs: QuerySet[ImportRun]) -> None:
    """Take the words of records out of the findings of these versions, and out of the summaries of those runs."""
    places: set[tuple[int, str, str]] = set()
    found = versions.select_related("source_file").defer("raw", "standardised")
    for version in found:
        places.add((version.run_id, version.source_file.name, version.pointer))
        version.findings = [hidden(finding) for finding in version.findings]
        version.pointer = hide_headings(version.pointer)
        version.save(update_fields=["findings", "pointer"])
    for run in runs.filter(pk__in={run for run, _, _ in places}):
        rejects = run.summary.get("rejects", [])
        mine = [reject for reject in rejects if (run.pk, reject["file"], reject["pointer"]) in places]
        for reject in mine:
            reject["message"] = HIDES_WORDS.format(field="a value", rule=reject["rule"])
            reject["pointer"] = hide_headings(reject["pointer"])
        if mine:
            run.save(update_fields=["summary"])


def hidden(finding: dict[str, Any]) -> dict[str, Any]:
    """Return a stored finding without the words of its record."""
    pointer = hide_headings(finding.get("pointer", ""))
    return finding | {"message": HIDES_WORDS.format(**finding), "value": "", "pointer": pointer}
