-- What a run says beside its outcome, such as why it loaded the whole instead of changes.
ALTER TABLE ducksync_runs ADD COLUMN note TEXT;
