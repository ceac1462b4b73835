"""The ledger: runs, the files they read, every source record that was ever seen and every version of it."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import F, Q

from core.crypto import EncryptedJSONField


class ImportRun(models.Model):
    """One run: an import, replay, undo or review, with its counts and how it ended."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    class Kind(models.TextChoices):
        IMPORT = "import"
        REPLAY = "replay"
        UNDO = "undo"
        REVIEW = "review"  # a person merged facilities, or told records apart
        MIGRATION = "migration"  # migrate_sqlite brought a legacy database

    run_id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.IMPORT)
    status = models.CharField(max_length=20, choices=Status, default=Status.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    started_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(default=1, help_text="2 and more: resumed after an interruption")
    step = models.CharField(max_length=20, blank=True, help_text="what it does, or did last")
    undone_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="undoes")
    options = models.JSONField(default=dict)
    summary = models.JSONField(default=dict, help_text="the object that import_facilities --json prints")
    findings = models.JSONField(default=list, help_text="findings about the data set as a whole")
    rows_before = models.JSONField(default=dict, help_text="rows of each table when the run began")
    error = models.TextField(blank=True)

    class Meta:
        db_table = "import_runs"
        ordering = ["-run_id"]

    def __str__(self) -> str:
        return f"Run {self.pk}"


class RunRequest(models.Model):
    """What a person asked for in the browser, on its way from the preview to the run: see etl/run_requests.py."""

    class Kind(models.TextChoices):
        IMPORT = "import"
        REPLAY = "replay"
        UNDO = "undo"

    class Phase(models.TextChoices):
        PREVIEW = "preview"
        RUN = "run"

    class State(models.TextChoices):
        QUEUED = "queued"
        WORKING = "working"
        READY = "ready"  # the preview stands, and waits for a person's word
        REFUSED = "refused"  # there is no preview that could be confirmed; `error` says why
        FAILED = "failed"
        INTERRUPTED = "interrupted"
        DONE = "done"
        CANCELLED = "cancelled"

    request_id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind)
    phase = models.CharField(max_length=20, choices=Phase, default=Phase.PREVIEW)
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    state_since = models.DateTimeField()
    asked_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    confirmed_by = models.ForeignKey("core.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    of_run = models.ForeignKey(
        ImportRun, on_delete=models.PROTECT, null=True, related_name="+", help_text="undone, replayed or done again"
    )
    run = models.ForeignKey(
        ImportRun, on_delete=models.PROTECT, null=True, related_name="+", help_text="what came of it"
    )
    data_dir = models.TextField(blank=True)
    sources = models.JSONField(default=list)
    allow_shrink = models.BooleanField(default=False)
    allow_drift = models.BooleanField(default=False)
    deactivate_missing = models.BooleanField(default=False)
    files = models.JSONField(default=list, help_text="of an upload: name as the browser gave it, masked, and size")
    sha256 = models.JSONField(default=dict, help_text="source -> its files when they were previewed")
    is_large = models.BooleanField(default=False, help_text="a worker does it, not the page")
    summary = models.JSONField(default=dict, help_text="of the dry run")
    preview = models.JSONField(default=dict, help_text="etl/preview.py: kept until the request ends")
    previewed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "run_requests"
        verbose_name = "request"
        ordering = ["-request_id"]
        indexes = [models.Index(fields=["state"], name="idx_requests_state")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class SourceFile(models.Model):
    """One file as one run read it: what it was, and whether it was sound."""

    class Status(models.TextChoices):
        SOUND = "sound"
        REFUSED = "refused"

    source_file_id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="files")
    source = models.CharField(max_length=50)
    name = models.CharField(max_length=255)
    status = models.CharField(max_length=20, choices=Status)
    error = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.BigIntegerField(default=0)
    records = models.PositiveIntegerField(default=0)
    is_staged = models.BooleanField(default=False, help_text="every record of it stands in the ledger")
    profile = models.JSONField(default=list, help_text="inferred schema: path, records, types, nulls")

    class Meta:
        db_table = "source_files"
        ordering = ["source_file_id"]
        constraints = [models.UniqueConstraint(fields=["run", "source", "name"], name="file_once_per_run")]

    def __str__(self) -> str:
        return self.name


class SourceRecord(models.Model):
    """One record of one source, known by its natural key, over all the runs that saw it.

    Records of one source that share a key (a list that names a place twice) are told apart by `occurrence`.
    """

    class Outcome(models.TextChoices):
        PENDING = "pending"
        CREATED = "created"
        UPDATED = "updated"
        UNCHANGED = "unchanged"
        MERGED = "merged"
        REJECTED = "rejected"
        UNDONE = "undone"

    source_record_id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=50)
    key = models.CharField(max_length=80)
    occurrence = models.PositiveIntegerField(default=0)
    name_hash = models.CharField(max_length=16, help_text="of name and type: which of the records of one key this is")
    facility = models.ForeignKey(
        "facilities.Facility",
        on_delete=models.PROTECT,
        null=True,
        related_name="source_records",
    )
    latest_version = models.ForeignKey(
        "SourceRecordVersion", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    good_version = models.ForeignKey(
        "SourceRecordVersion",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="the last that was loaded",
    )
    county_code = models.CharField(max_length=10, blank=True, help_text="of the newest version that is not rejected")
    identifier = models.CharField(
        max_length=80, blank=True, help_text="national facility code, where the source has one"
    )
    contact_indexes = ArrayField(
        models.CharField(max_length=16),
        default=list,
        help_text="blind indexes of its phones and e-mails, hotlines left out",
    )
    number_index = models.CharField(max_length=16, blank=True, help_text="blind index of its registration number")
    first_seen_run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="+", db_index=False)
    # every import writes this in every row: an index on it would be written anew each time, and with it all others
    last_seen_run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="+", db_index=False)
    outcome = models.CharField(max_length=20, choices=Outcome, help_text="in the run that saw it last")
    missing_since = models.ForeignKey(ImportRun, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    is_due = models.BooleanField(default=False, help_text="its facility is folded anew by the next import that sees it")
    withdrawn_in = models.ForeignKey(
        ImportRun,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="the run with --deactivate-missing since which it stands for its facility no more",
    )
    home = models.ForeignKey(
        "facilities.RetiredCode",
        on_delete=models.PROTECT,
        null=True,
        related_name="source_records",
        help_text="the facility that it stood for, before a person merged that one into another",
    )

    class Meta:
        db_table = "source_records"
        ordering = ["source", "key", "occurrence"]
        constraints = [
            models.UniqueConstraint(fields=["source", "key", "occurrence"], name="source_record_once"),
        ]
        indexes = [
            models.Index(fields=["county_code", "source"], name="idx_records_county"),
            models.Index(fields=["identifier"], condition=~Q(identifier=""), name="idx_records_identifier"),
            models.Index(
                fields=["missing_since"], condition=Q(missing_since__isnull=False), name="idx_records_missing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} · {self.pk}"  # its key may hold a national code: a confidential place's name


class SourceRecordVersion(models.Model):
    """What a source said of a record at one time, sealed; `state` is where it stands on its way to a facility."""

    class State(models.TextChoices):
        PENDING = "pending"
        LOADED = "loaded"
        REJECTED = "rejected"
        SUPERSEDED = "superseded"
        DISCARDED = "discarded"  # a reject that a person settled by hand
        UNDONE = "undone"

    version_id = models.BigAutoField(primary_key=True)
    source_record = models.ForeignKey(SourceRecord, on_delete=models.CASCADE, related_name="versions")
    run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="versions")
    source_file = models.ForeignKey(SourceFile, on_delete=models.PROTECT, related_name="+", db_index=False)
    pointer = models.CharField(max_length=1000, help_text="JSON pointer inside the file")
    content_hash = models.CharField(max_length=64, help_text="keyed hash of the raw record and what it inherits")
    fingerprint = models.CharField(max_length=64, help_text="of the mapping, schemas, aliases and rules that read it")
    raw = EncryptedJSONField(null=True)
    standardised = EncryptedJSONField(null=True)
    findings = models.JSONField(default=list)
    state = models.CharField(max_length=20, choices=State)
    loaded_in = models.ForeignKey(ImportRun, on_delete=models.PROTECT, null=True, related_name="+")
    settled_by = models.ForeignKey(
        "core.User",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="who discarded this reject",
    )
    settled_at = models.DateTimeField(null=True)
    withdrawn_before = models.ForeignKey(
        ImportRun,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="the run that had withdrawn its record, when it came back",
    )
    attempts = models.PositiveIntegerField(default=1, help_text="how often it was read: imports and replays")

    class Meta:
        db_table = "source_record_versions"
        ordering = ["-version_id"]
        indexes = [
            models.Index(fields=["source_record"], condition=Q(state="pending"), name="idx_versions_pending"),
            models.Index(fields=["state", "run"], name="idx_versions_state"),
            HashIndex(fields=["content_hash"], name="idx_versions_content"),
            models.Index(
                fields=["source_record"],
                condition=Q(findings__contains=[{"rule": "registration-number-clash"}]),
                name="idx_versions_clash",
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.pk}"


class DuplicatePair(models.Model):
    """Two source records that may stand for one place, the score of each feature, and what was decided."""

    class Decision(models.TextChoices):
        TO_REVIEW = "to_review"
        MERGED = "merged"
        SEPARATE = "separate"

    audit_hides = ()

    pair_id = models.BigAutoField(primary_key=True)
    first = models.ForeignKey(SourceRecord, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(SourceRecord, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(help_text="0..1, the sum of the features' parts")
    features = models.JSONField(default=dict, help_text="each feature's part in the score")
    reason = models.TextField(blank=True)
    decision = models.CharField(max_length=20, choices=Decision)
    decided_by = models.ForeignKey(
        "core.User",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="the person whose word it is: no import overwrites it",
    )
    decided_at = models.DateTimeField(null=True)
    run = models.ForeignKey(ImportRun, on_delete=models.PROTECT, related_name="pairs")

    class Meta:
        db_table = "duplicate_pairs"
        verbose_name = "possible duplicate"
        ordering = ["-score", "pair_id"]
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="pair_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="pair_in_order"),
        ]
        indexes = [models.Index(fields=["decision", "-score"], name="idx_pairs_queue")]

    def __str__(self) -> str:
        return f"Pair {self.pk}"


class FieldChoice(models.Model):
    """What a person chose when sources disagree: this record is believed first for this field; the newest choice wins."""

    audit_hides = ()

    choice_id = models.BigAutoField(primary_key=True)
    source_record = models.ForeignKey(SourceRecord, on_delete=models.CASCADE, related_name="choices", db_index=False)
    field = models.CharField(max_length=50, help_text="as etl.stages.merge.CHOOSABLE names it")
    chosen_by = models.ForeignKey("core.User", on_delete=models.PROTECT, related_name="+")
    chosen_at = models.DateTimeField()

    class Meta:
        db_table = "field_choices"
        constraints = [models.UniqueConstraint(fields=["source_record", "field"], name="choice_once")]

    def __str__(self) -> str:
        return f"{self.field}: {self.source_record}"


class QualitySnapshot(models.Model):
    """What the registry was like at the end of a run: counts and shares, and no value of any record."""

    snapshot_id = models.BigAutoField(primary_key=True)
    run = models.OneToOneField(ImportRun, on_delete=models.CASCADE, related_name="quality")
    measured_at = models.DateTimeField()
    newest_audit = models.BigIntegerField(help_text="the newest row of the audit trail: nothing changed while it is")
    total_records = models.PositiveIntegerField(help_text="facilities in service")
    score = models.FloatField(null=True, help_text="percent: the weighted mean of the metrics that can be measured")
    metrics = models.JSONField(default=dict)
    rules = models.JSONField(
        default=list, help_text="rules that found something, and on how many records of each source"
    )
    profile = models.JSONField(default=dict)
    anomalies = models.JSONField(default=dict)
    drift = models.JSONField(default=list, help_text="how the shape of each source moved since its last good run")
    recommendations = models.JSONField(default=list)

    class Meta:
        db_table = "quality_snapshots"
        ordering = ["-run_id"]

    def __str__(self) -> str:
        return f"Quality at run {self.run_id}"
