DELETE FROM ducksync.runs WHERE id IN (
    SELECT old.id FROM ducksync.runs old
    WHERE old.completed_at < $1
      AND old.status NOT IN ('pending', 'running')
      AND NOT EXISTS (SELECT 1 FROM ducksync.staging s WHERE s.run_id = old.id)
      AND (old.status NOT IN ('completed', 'failed') OR EXISTS (
          SELECT 1 FROM ducksync.runs later
          WHERE later.dataset = old.dataset
            AND later.status = old.status
            AND (later.started_at > old.started_at
                 OR (later.started_at = old.started_at AND later.id > old.id))))
    ORDER BY old.started_at
    LIMIT $2)
