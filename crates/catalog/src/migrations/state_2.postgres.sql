-- What a run says beside its outcome, such as why it loaded the whole instead of changes.
ALTER TABLE ducksync.runs ADD COLUMN note TEXT;

-- What caches spared their sources; a day is counted from 1970, in UTC. A dropped cache's rows stay until they are too old.
CREATE TABLE ducksync.savings (
    dataset UUID NOT NULL,
    day BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    answered_bytes BIGINT NOT NULL,
    loads_avoided BIGINT NOT NULL,
    loads BIGINT NOT NULL,
    source_statements BIGINT NOT NULL,
    source_bytes BIGINT NOT NULL,
    source_milliseconds BIGINT NOT NULL,
    warehouse_size TEXT,
    PRIMARY KEY (dataset, day)
);
