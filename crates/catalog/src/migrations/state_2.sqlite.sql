-- What a run says beside its outcome, such as why it loaded the whole instead of changes.
ALTER TABLE ducksync_runs ADD COLUMN note TEXT;

-- What caches spared their sources; a day is counted from 1970, in UTC. A dropped cache's rows stay until they are too old.
CREATE TABLE ducksync_savings (
    dataset TEXT NOT NULL,
    day INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    answered_bytes INTEGER NOT NULL,
    loads_avoided INTEGER NOT NULL,
    loads INTEGER NOT NULL,
    source_statements INTEGER NOT NULL,
    source_bytes INTEGER NOT NULL,
    source_milliseconds INTEGER NOT NULL,
    warehouse_size TEXT,
    PRIMARY KEY (dataset, day)
);
