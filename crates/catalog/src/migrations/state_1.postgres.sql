-- Our state. Times are the catalog's clock. Rows of `datasets` and `sources` carry the revision that
-- last changed them, so that a process reads only what is newer than what it knows.
CREATE TABLE ducksync.state (
    one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    format_version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    -- The revision of the last deletion from `datasets` or `sources`.
    deleted_revision BIGINT NOT NULL,
    -- Where `init` found the lake; NULL = where the configuration says.
    lake_name TEXT,
    metadata_schema TEXT
);

-- Datasets: tables with a feed, and plain tables that were made through us.
CREATE TABLE ducksync.datasets (
    id UUID PRIMARY KEY,
    schema_name TEXT NOT NULL,
    name TEXT NOT NULL,
    feed TEXT, -- JSON of `Feed`; NULL = a plain lake table
    created_at TIMESTAMPTZ NOT NULL,
    suspended BOOLEAN NOT NULL DEFAULT FALSE,
    quarantine TEXT, -- JSON of `Quarantine`
    failures_in_a_row BIGINT NOT NULL DEFAULT 0,
    last_failure TEXT, -- JSON of `RunFailure`
    refresh_count BIGINT NOT NULL DEFAULT 0,
    last_duration_ms DOUBLE PRECISION,
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX datasets_by_name ON ducksync.datasets (lower(schema_name), lower(name));
CREATE INDEX datasets_by_revision ON ducksync.datasets (revision);

-- The checkpoint of each dataset that was ever published. `seq` is the snapshot that last changed
-- rows or columns; `snapshot_id` also moves with a rename or a merge of files.
CREATE TABLE ducksync.heads (
    dataset UUID PRIMARY KEY,
    seq BIGINT NOT NULL,
    run_id UUID NOT NULL,
    claim_token BIGINT,
    definition_hash TEXT,
    rows BIGINT NOT NULL,
    snapshot_id BIGINT NOT NULL,
    published_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE ducksync.proofs (
    dataset UUID PRIMARY KEY,
    tokens TEXT NOT NULL, -- JSON of `SourceState`
    data_timestamp TIMESTAMPTZ NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);

CREATE TABLE ducksync.sources (
    name_folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    driver TEXT NOT NULL,
    secret TEXT NOT NULL,
    passthrough_enabled BOOLEAN NOT NULL,
    options TEXT NOT NULL, -- JSON object
    created_at TIMESTAMPTZ NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE ducksync.secrets (
    name_folded TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BYTEA NOT NULL
);

CREATE TABLE ducksync.runs (
    id UUID PRIMARY KEY,
    dataset UUID NOT NULL,
    status TEXT NOT NULL,
    trigger TEXT NOT NULL,
    reason TEXT,
    owner UUID NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    attempts BIGINT NOT NULL DEFAULT 1,
    rows BIGINT,
    bytes BIGINT,
    data_timestamp TIMESTAMPTZ,
    snapshot_id BIGINT,
    source_query_ids TEXT NOT NULL DEFAULT '[]', -- JSON array
    failure TEXT -- JSON of `RunFailure`
);
CREATE INDEX runs_by_dataset ON ducksync.runs (dataset, started_at);
CREATE INDEX runs_by_start ON ducksync.runs (started_at);
CREATE INDEX runs_unfinished ON ducksync.runs (owner) WHERE status IN ('pending', 'running');

-- Where a run may have written files that no snapshot names (G-4).
CREATE TABLE ducksync.staging (
    run_id UUID NOT NULL,
    prefix TEXT NOT NULL,
    PRIMARY KEY (run_id, prefix)
);

-- The row stays after a release (owner, run_id and expires_at become NULL), so that `token` only
-- grows.
CREATE TABLE ducksync.claims (
    dataset UUID PRIMARY KEY,
    token BIGINT NOT NULL,
    owner UUID,
    run_id UUID,
    expires_at TIMESTAMPTZ
);
CREATE INDEX claims_by_owner ON ducksync.claims (owner) WHERE owner IS NOT NULL;

-- Processes. Each holds a session advisory lock keyed by its id while it lives.
CREATE TABLE ducksync.owners (
    id UUID PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL
);

-- Every commit of ours: which run made which snapshot. A commit of unknown outcome is found here.
CREATE TABLE ducksync.publications (
    snapshot_id BIGINT PRIMARY KEY,
    run_id UUID NOT NULL UNIQUE
);

-- Data files that were written before columns changed within the same snapshot: they are read by
-- field id although they begin together with the columns.
CREATE TABLE ducksync.older_columns (
    data_file_id BIGINT PRIMARY KEY
);

CREATE TABLE ducksync.principals (
    name TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL
);

CREATE TABLE ducksync.roles (
    principal TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (principal, role)
);

-- `grantee` is a login or a role.
CREATE TABLE ducksync.grants (
    grantee TEXT NOT NULL,
    privilege TEXT NOT NULL,
    target TEXT NOT NULL, -- JSON of `GrantTarget`, folded
    PRIMARY KEY (grantee, privilege, target)
);

-- Bearer tokens that were used lately or revoked.
CREATE TABLE ducksync.tokens (
    id UUID PRIMARY KEY,
    principal TEXT NOT NULL,
    used_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);

INSERT INTO ducksync.state (format_version, revision, deleted_revision) VALUES (1, 1, 0);
