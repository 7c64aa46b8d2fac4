//! What the engine refuses even if the parser above it should not (V-12, I-9).

use ducksync_core::{
    engine::{BoundStatement, QueryEngine},
    types::LakeType,
};

use crate::lake::{Lake, columns};

#[tokio::test]
async fn v12_nothing_outside_the_data_path_can_be_reached() {
    let lake = Lake::open().await;
    lake.table(&columns(&[("k", LakeType::Int32)]), "SELECT 7 AS k")
        .await;
    let escape = format!("{}../../etc/passwd", lake.engine.files().root());
    let escaping = format!("SELECT * FROM read_csv('{escape}')");
    for sql in [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM read_parquet('/tmp/x.parquet')",
        "SELECT * FROM read_json('/etc/hosts')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM parquet_schema('/tmp/x.parquet')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT * FROM read_csv('file:///etc/passwd')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT * FROM query_table('/etc/passwd.csv')",
        "SELECT (SELECT content FROM read_text('/etc/hostname'))",
        "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '/tmp/ducksync-escape.csv'",
        "COPY (SELECT 1) TO '/dev/stdout'",
        "ATTACH '/tmp/escape.duckdb'",
        "ATTACH ':memory:' AS m",
        "DETACH memory",
        "USE memory.main",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '/tmp/x.duckdb_extension'",
        "FORCE INSTALL spatial FROM community",
        "EXPORT DATABASE '/tmp/escape'",
        "IMPORT DATABASE '/tmp/escape'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allow_unsigned_extensions = true",
        "RESET enable_external_access",
        "CALL enable_logging()",
        "CHECKPOINT",
        "CREATE SECRET x (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "CREATE PERSISTENT SECRET x (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "CREATE VIEW v AS SELECT 1",
        "CREATE MACRO m() AS 1",
        "DROP SCHEMA main CASCADE",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "SET VARIABLE x = 1",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/ducksync-escape.csv'",
        &escaping,
    ] {
        let outcome = match lake.engine.execute(BoundStatement::plain(sql)).await {
            Ok(stream) => stream.collect().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err(), "{sql}");
    }
    assert!(!std::path::Path::new("/tmp/ducksync-escape.csv").exists());
    lake.engine.probe().await.unwrap();
}
