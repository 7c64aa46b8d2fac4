-- DuckLake's tables have primary keys only. These make a publish and a look at what is new
-- independent of how much the lake holds. They change nothing for other clients.

CREATE INDEX IF NOT EXISTS ducksync_table_begun ON lake.ducklake_table (begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_table_ended ON lake.ducklake_table (end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_table_id ON lake.ducklake_table (table_id);
CREATE INDEX IF NOT EXISTS ducksync_table_uuid ON lake.ducklake_table (table_uuid);
CREATE INDEX IF NOT EXISTS ducksync_column_table ON lake.ducklake_column (table_id);
CREATE INDEX IF NOT EXISTS ducksync_column_begun ON lake.ducklake_column (begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_column_ended ON lake.ducklake_column (end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_file_table_end ON lake.ducklake_data_file (table_id, end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_file_table ON lake.ducklake_data_file (table_id, begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_file_begun ON lake.ducklake_data_file (begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_file_ended ON lake.ducklake_data_file (end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_delete_table ON lake.ducklake_delete_file (table_id, begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_delete_table_end ON lake.ducklake_delete_file (table_id, end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_delete_data_file ON lake.ducklake_delete_file (data_file_id);
CREATE INDEX IF NOT EXISTS ducksync_delete_begun ON lake.ducklake_delete_file (begin_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_delete_ended ON lake.ducklake_delete_file (end_snapshot);
CREATE INDEX IF NOT EXISTS ducksync_stats_file ON lake.ducklake_file_column_stats (data_file_id);
CREATE INDEX IF NOT EXISTS ducksync_stats_table ON lake.ducklake_table_stats (table_id);
CREATE INDEX IF NOT EXISTS ducksync_column_stats_table ON lake.ducklake_table_column_stats (table_id);
