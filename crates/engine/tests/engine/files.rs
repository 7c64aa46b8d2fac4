//! The file store on a local disk (I-2).

use ducksync_core::{ErrorKind, files::FileStore};
use ducksync_engine::Engine;

use crate::lake::{Lake, config};

#[tokio::test]
async fn i2_files_are_flushed_measured_listed_and_deleted() {
    let lake = Lake::open().await;
    let files = lake.engine.files();
    files.probe().await.unwrap();
    let directory = format!("{}main/t/", files.root());
    std::fs::create_dir_all(&directory).unwrap();
    let (one, two) = (
        format!("{directory}run-0.parquet"),
        format!("{directory}other.parquet"),
    );
    std::fs::write(&one, b"12345").unwrap();
    std::fs::write(&two, b"1").unwrap();
    files.sync(&[one.clone(), two.clone()]).await.unwrap();
    assert_eq!(files.size(&one).await.unwrap(), Some(5));
    let listed = files.list(&format!("{directory}run-")).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].location.as_str(), listed[0].size_bytes),
        (one.as_str(), 5)
    );
    assert_eq!(
        files
            .list(&format!("{}ma", files.root()))
            .await
            .unwrap()
            .len(),
        2
    );
    files.delete(&[one.clone(), one.clone()]).await.unwrap();
    assert_eq!(files.size(&one).await.unwrap(), None);
    assert!(files.sync(&[one]).await.is_err());
}

#[tokio::test]
async fn i2_nothing_outside_the_data_path_is_touched() {
    let lake = Lake::open().await;
    let files = lake.engine.files();
    let outside = lake.directory.path().parent().unwrap().join("x");
    let outside = outside.to_string_lossy().into_owned();
    assert!(files.delete(std::slice::from_ref(&outside)).await.is_err());
    assert!(files.size(&outside).await.is_err());
    assert!(files.list("/etc/").await.is_err());
    assert!(
        files
            .sync(&[format!("{}../x", files.root())])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a13_a_data_path_that_cannot_be_written_is_said_with_its_remedy() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    let mut settings = config(&file.join("lake"));
    settings.temp_directory = directory.path().join("spill");
    let engine = Engine::open(settings).await.unwrap();
    let error = engine.files().probe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
    assert!(error.remedy().is_some(), "{error}");
}
