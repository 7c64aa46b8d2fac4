-- Our state. Times are microseconds since 1970 in UTC, ids are text, flags 0 or 1. Rows of `datasets` and `sources` carry the revision that
-- last changed them, so that a process reads only what is newer than what it knows.
CREATE TABLE ducksync_state (
    one INTEGER PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    format_version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    -- The revision of the last deletion from `datasets` or `sources`.
    deleted_revision INTEGER NOT NULL,
    -- Where `init` found the lake; NULL = where the configuration says.
    lake_name TEXT,
    metadata_schema TEXT
);

-- Datasets: tables with a feed, and plain tables that were made through us.
CREATE TABLE ducksync_datasets (
    id TEXT PRIMARY KEY,
    schema_name TEXT NOT NULL,
    name TEXT NOT NULL,
    feed TEXT, -- JSON of `Feed`; NULL = a plain lake table
    created_at INTEGER NOT NULL,
    suspended INTEGER NOT NULL DEFAULT 0,
    quarantine TEXT, -- JSON of `Quarantine`
    failures_in_a_row INTEGER NOT NULL DEFAULT 0,
    last_failure TEXT, -- JSON of `RunFailure`
    refresh_count INTEGER NOT NULL DEFAULT 0,
    last_duration_ms REAL,
    revision INTEGER NOT NULL
);
CREATE UNIQUE INDEX ducksync_datasets_by_name ON ducksync_datasets (lower(schema_name), lower(name));
CREATE INDEX ducksync_datasets_by_revision ON ducksync_datasets (revision);

-- The checkpoint of each dataset that was ever published. `seq` is the snapshot that last changed
-- rows or columns; `snapshot_id` also moves with a rename or a merge of files.
CREATE TABLE ducksync_heads (
    dataset TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    claim_token INTEGER,
    definition_hash TEXT,
    rows INTEGER NOT NULL,
    snapshot_id INTEGER NOT NULL,
    published_at INTEGER NOT NULL
);

CREATE TABLE ducksync_proofs (
    dataset TEXT PRIMARY KEY,
    tokens TEXT NOT NULL, -- JSON of `SourceState`
    data_timestamp INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    expires_at INTEGER
);

CREATE TABLE ducksync_sources (
    name_folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    driver TEXT NOT NULL,
    secret TEXT NOT NULL,
    passthrough_enabled INTEGER NOT NULL,
    options TEXT NOT NULL, -- JSON object
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
);

CREATE TABLE ducksync_secrets (
    name_folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BLOB NOT NULL
);

CREATE TABLE ducksync_runs (
    id TEXT PRIMARY KEY,
    dataset TEXT NOT NULL,
    status TEXT NOT NULL,
    trigger TEXT NOT NULL,
    reason TEXT,
    owner TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 1,
    rows INTEGER,
    bytes INTEGER,
    data_timestamp INTEGER,
    snapshot_id INTEGER,
    source_query_ids TEXT NOT NULL DEFAULT '[]', -- JSON array
    failure TEXT -- JSON of `RunFailure`
);
CREATE INDEX ducksync_runs_by_dataset ON ducksync_runs (dataset, started_at);
CREATE INDEX ducksync_runs_by_start ON ducksync_runs (started_at);
CREATE INDEX ducksync_runs_unfinished ON ducksync_runs (owner) WHERE status IN ('pending', 'running');

-- Where a run may have written files that no snapshot names (G-4).
CREATE TABLE ducksync_staging (
    run_id TEXT NOT NULL,
    prefix TEXT NOT NULL,
    PRIMARY KEY (run_id, prefix)
);

-- The row stays after a release (owner, run_id and expires_at become NULL), so that `token` only
-- grows.
CREATE TABLE ducksync_claims (
    dataset TEXT PRIMARY KEY,
    token INTEGER NOT NULL,
    owner TEXT,
    run_id TEXT,
    expires_at INTEGER
);
CREATE INDEX ducksync_claims_by_owner ON ducksync_claims (owner) WHERE owner IS NOT NULL;

-- Processes. Each holds a session advisory lock keyed by its id while it lives.
CREATE TABLE ducksync_owners (
    id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL
);

-- Every commit of ours: which run made which snapshot. A commit of unknown outcome is found here.
CREATE TABLE ducksync_publications (
    snapshot_id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE
);

-- Data files that were written before columns changed within the same snapshot: they are read by
-- field id although they begin together with the columns.
CREATE TABLE ducksync_older_columns (
    data_file_id INTEGER PRIMARY KEY
);

CREATE TABLE ducksync_principals (
    name TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL
);

CREATE TABLE ducksync_roles (
    principal TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (principal, role)
);

-- `grantee` is a login or a role.
CREATE TABLE ducksync_grants (
    grantee TEXT NOT NULL,
    privilege TEXT NOT NULL,
    target TEXT NOT NULL, -- JSON of `GrantTarget`, folded
    PRIMARY KEY (grantee, privilege, target)
);

-- Bearer tokens that were used lately or revoked.
CREATE TABLE ducksync_tokens (
    id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    revoked_at INTEGER
);

INSERT INTO ducksync_state (format_version, revision, deleted_revision) VALUES (1, 1, 0);
