DELETE FROM ducksync.publications WHERE snapshot_id IN (
    SELECT p.snapshot_id FROM ducksync.publications p
    WHERE p.snapshot_id NOT IN (
          SELECT snapshot_id FROM lake.ducklake_snapshot
          UNION SELECT begin_snapshot FROM lake.ducklake_table
          UNION SELECT begin_snapshot FROM lake.ducklake_column
          UNION SELECT end_snapshot FROM lake.ducklake_column WHERE end_snapshot IS NOT NULL
          UNION SELECT begin_snapshot FROM lake.ducklake_data_file
          UNION SELECT end_snapshot FROM lake.ducklake_data_file WHERE end_snapshot IS NOT NULL
          UNION SELECT begin_snapshot FROM lake.ducklake_delete_file
          UNION SELECT end_snapshot FROM lake.ducklake_delete_file WHERE end_snapshot IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM ducksync.runs r
          WHERE r.id = p.run_id AND r.status IN ('pending', 'running'))
      AND NOT EXISTS (SELECT 1 FROM ducksync.staging s WHERE s.run_id = p.run_id)
      AND NOT EXISTS (SELECT 1 FROM ducksync.claims c WHERE c.run_id = p.run_id)
    ORDER BY p.snapshot_id
    LIMIT $1)
