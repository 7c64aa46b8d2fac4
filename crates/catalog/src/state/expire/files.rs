//! Files that no remaining snapshot names: their rows go, their locations are written down.

use std::collections::{HashMap, HashSet};

use crate::{
    db::{DbResult, Row, Tx, Value, insert_rows, sql},
    ducklake::path,
};

/// Removes the rows of such files, and schedules the files for deletion.
pub(super) async fn remove_files(tx: &mut Tx, data_path: &str) -> DbResult<()> {
    let data = tx
        .fetch_all(sql(concat!(
            "SELECT f.data_file_id, f.table_id, f.path, f.path_is_relative \
             FROM lake.ducklake_data_file f WHERE ",
            unseen!("f")
        )))
        .await?;
    let data = read_files(&data)?;
    let data_ids: Vec<i64> = data.iter().map(|file| file.id).collect();
    let mut deletes = tx
        .fetch_all(sql(concat!(
            "SELECT f.delete_file_id, f.table_id, f.path, f.path_is_relative \
             FROM lake.ducklake_delete_file f WHERE ",
            unseen!("f")
        )))
        .await?;
    // A delete file ends with its data file, whether or not its writer said so.
    deletes.extend(
        tx.fetch_all(
            sql(
                "SELECT f.delete_file_id, f.table_id, f.path, f.path_is_relative \
                 FROM lake.ducklake_delete_file f WHERE f.data_file_id = ANY($1)",
            )
            .bind(data_ids.clone()),
        )
        .await?,
    );
    let deletes = read_files(&deletes)?;
    let delete_ids: Vec<i64> = deletes.iter().map(|file| file.id).collect();
    if data.is_empty() && deletes.is_empty() {
        return Ok(());
    }
    for statement in [
        "DELETE FROM lake.ducklake_data_file WHERE data_file_id = ANY($1)",
        "DELETE FROM lake.ducklake_file_column_stats WHERE data_file_id = ANY($1)",
        "DELETE FROM lake.ducklake_file_variant_stats WHERE data_file_id = ANY($1)",
        "DELETE FROM lake.ducklake_file_partition_value WHERE data_file_id = ANY($1)",
        "DELETE FROM ducksync.older_columns WHERE data_file_id = ANY($1)",
    ] {
        tx.execute(sql(statement).bind(data_ids.clone())).await?;
    }
    tx.execute(
        sql("DELETE FROM lake.ducklake_delete_file WHERE delete_file_id = ANY($1)")
            .bind(delete_ids),
    )
    .await?;
    schedule(tx, data_path, data.into_iter().chain(deletes).collect()).await
}

/// A file whose row is gone.
struct DeadFile {
    id: i64,
    table: i64,
    path: String,
    relative: bool,
}

fn read_files(rows: &[Row]) -> DbResult<Vec<DeadFile>> {
    let mut files: Vec<DeadFile> = Vec::with_capacity(rows.len());
    let mut known = HashSet::new();
    for row in rows {
        let id = row.get(0)?;
        if known.insert(id) {
            files.push(DeadFile {
                id,
                table: row.get(1)?,
                path: row.get(2)?,
                relative: row.get(3)?,
            });
        }
    }
    Ok(files)
}

/// Writes down the locations of dead files that no remaining row names.
async fn schedule(tx: &mut Tx, data_path: &str, files: Vec<DeadFile>) -> DbResult<()> {
    let directories = directories(tx, data_path).await?;
    let locate = |file: &DeadFile| {
        let directory = directories.get(&file.table).map_or("", String::as_str);
        path::resolve(directory, &file.path, file.relative)
    };
    let named = still_named(tx, &files, &directories).await?;
    let now = tx.now().await?;
    let mut scheduled = HashSet::new();
    let mut rows = Vec::new();
    for file in &files {
        let location = locate(file);
        // A relative path whose table is unknown means nothing: better an orphan than a wrong file.
        let lost = file.relative && !directories.contains_key(&file.table);
        if lost || named.contains(&location) || !scheduled.insert(location.clone()) {
            continue;
        }
        let (stored, relative) = path::store(data_path, &location);
        rows.push(vec![
            Value::from(file.id),
            Value::from(stored),
            Value::from(relative),
            Value::LakeTime(Some(now)),
        ]);
    }
    insert_rows(
        tx,
        "INSERT INTO lake.ducklake_files_scheduled_for_deletion \
         (data_file_id, path, path_is_relative, schedule_start)",
        rows,
    )
    .await
}

/// Locations of remaining rows that have the path of a dead file, or its location as an absolute path.
async fn still_named(
    tx: &mut Tx,
    files: &[DeadFile],
    directories: &HashMap<i64, String>,
) -> DbResult<HashSet<String>> {
    let mut paths: HashSet<String> = HashSet::new();
    for file in files {
        paths.insert(file.path.clone());
        if let Some(directory) = directories.get(&file.table) {
            let location = path::resolve(directory, &file.path, file.relative);
            paths.extend(location.strip_prefix(directory.as_str()).map(str::to_owned));
            paths.insert(location);
        }
    }
    let paths: Vec<String> = paths.into_iter().collect();
    let rows = tx
        .fetch_all(
            sql(
                "SELECT table_id, path, path_is_relative FROM lake.ducklake_data_file \
                 WHERE path = ANY($1) UNION ALL \
                 SELECT table_id, path, path_is_relative FROM lake.ducklake_delete_file \
                 WHERE path = ANY($1)",
            )
            .bind(paths),
        )
        .await?;
    let mut named = HashSet::new();
    for row in rows {
        let directory = directories
            .get(&row.get::<i64>(0)?)
            .map_or("", String::as_str);
        let stored: String = row.get(1)?;
        named.insert(path::resolve(directory, &stored, row.get(2)?));
    }
    Ok(named)
}

/// The directory of each table, those included that no snapshot shows any more.
async fn directories(tx: &mut Tx, data_path: &str) -> DbResult<HashMap<i64, String>> {
    let rows = tx
        .fetch_all(sql(
            "SELECT t.table_id, t.path, t.path_is_relative, s.path, s.path_is_relative \
             FROM lake.ducklake_table t \
             JOIN lake.ducklake_schema s ON s.schema_id = t.schema_id \
             ORDER BY t.table_id, t.begin_snapshot",
        ))
        .await?;
    let mut directories = HashMap::new();
    for row in rows {
        let (table, schema): (String, String) = (row.get(1)?, row.get(3)?);
        let schema = path::directory(path::resolve(data_path, &schema, row.get(4)?));
        let table = path::directory(path::resolve(&schema, &table, row.get(2)?));
        directories.insert(row.get(0)?, table);
    }
    Ok(directories)
}
