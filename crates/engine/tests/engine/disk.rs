//! A disk that is full.

use std::{path::Path, process::Command};

use ducksync_core::{
    ErrorKind,
    engine::{BoundStatement, Stager},
    types::LakeType,
};
use ducksync_engine::Engine;

use crate::lake::{Lake, columns, config};

/// A file system of its own, where that may be made.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(directory.path())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().ok();
    }
}

#[tokio::test]
async fn i2_a_full_disk_fails_the_staging_and_nothing_is_left() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: no right to mount a small disk");
        return;
    };
    let spill = tempfile::TempDir::new().unwrap();
    let mut settings = config(disk.path());
    settings.temp_directory = spill.path().to_owned();
    let lake = Lake {
        engine: Engine::open(settings).await.unwrap(),
        directory: spill,
    };
    let fields = columns(&[("s", LakeType::Varchar)]);
    let large = "SELECT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS s FROM range(1000000) t(i)";
    let request = lake.request(&fields);
    let error = lake
        .engine
        .stage_statement(request, BoundStatement::plain(large))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
    assert!(error.remedy().is_some());
    assert_eq!(lake.files(), Vec::<String>::new());
    let table = lake.table(&fields, "SELECT 'small' AS s").await;
    assert_eq!(lake.number(&table, "SELECT count(*) FROM {t}").await, 1);
}
