//! The lake in an object store, where a server for one is installed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use ducksync_core::{
    ErrorKind, engine::Stager, files::FileStore, secret::SecretText, types::LakeType,
};
use ducksync_engine::{Engine, EngineConfig, S3Settings, UrlStyle};

use crate::lake::{Lake, append, columns, config};

struct Server {
    process: Child,
    endpoint: String,
}

impl Server {
    fn start() -> Option<Self> {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps/venv/bin/python");
        let mut process = Command::new(python)
            .args(["-u", "-m", "moto.server", "-p", "0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let lines = BufReader::new(process.stderr.take()?).lines();
        let mut addresses = lines.map_while(Result::ok).filter_map(|line| {
            let (_, address) = line.split_once("Running on http://")?;
            Some(address.trim().to_owned())
        });
        let endpoint = addresses.next();
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || addresses.for_each(drop));
        endpoint.map(|endpoint| Self { process, endpoint })
    }

    fn config(&self, bucket: &str, local: &Path) -> EngineConfig {
        EngineConfig {
            data_path: format!("s3://{bucket}/lake"),
            s3: Some(S3Settings {
                endpoint: Some(self.endpoint.clone()),
                region: "us-east-1".into(),
                key: "key".into(),
                secret: SecretText::new("very-secret"),
                url_style: UrlStyle::Path,
                use_ssl: false,
            }),
            ..config(local)
        }
    }

    async fn make_bucket(&self, bucket: &str) {
        let (host, request) = (
            &self.endpoint,
            format!(
                "PUT /{bucket} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            ),
        );
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn a13_a_lake_in_an_object_store_is_written_read_and_cleaned() {
    let Some(server) = Server::start() else {
        eprintln!("skipped: no object store is installed");
        return;
    };
    let directory = tempfile::TempDir::new().unwrap();
    let missing = Engine::open(server.config("missing", directory.path()))
        .await
        .unwrap();
    let error = missing.files().probe().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(!format!("{error:?}").contains("very-secret"));

    server.make_bucket("bucket").await;
    let engine = Engine::open(server.config("bucket", directory.path()))
        .await
        .unwrap();
    let lake = Lake { engine, directory };
    let files = lake.engine.files();
    files.probe().await.unwrap();
    let fields = columns(&[("k", LakeType::Int64)]);
    let table = lake
        .table(&fields, "SELECT i AS k FROM range(100000) t(i)")
        .await;
    assert_eq!(
        lake.number(&table, "SELECT sum(k) FROM {t}").await,
        4_999_950_000
    );
    let location = &table.files[0].location;
    assert_eq!(
        files.size(location).await.unwrap(),
        Some(table.files[0].size_bytes)
    );
    let listed = files.list(&lake.table_directory()).await.unwrap();
    assert_eq!(
        listed.iter().map(|file| &file.location).collect::<Vec<_>>(),
        [location]
    );

    let delete =
        "SELECT ducksync_file, ducksync_row, false AS ducksync_keep, k FROM {t} WHERE k < 10";
    let statement = lake.statement(&table, true, delete);
    let request = lake.request(&fields);
    let touched = lake
        .engine
        .stage_touched(request, table.clone(), statement)
        .await
        .unwrap();
    assert_eq!(touched.deletes.len(), 1);
    let delete = ducksync_core::change::TableChange::Delete {
        dataset: table.dataset,
        deletes: touched.deletes,
        ended: touched.ended,
    };
    let after = append(&crate::lake::change(&table, delete), touched.written);
    assert_eq!(lake.number(&after, "SELECT min(k) FROM {t}").await, 10);

    let stream = crate::lake::stream_of(&fields, vec![Err(ducksync_core::Error::unavailable("x"))]);
    assert!(
        lake.engine
            .stage(lake.request(&fields), stream)
            .await
            .is_err()
    );
    files.delete(std::slice::from_ref(location)).await.unwrap();
    assert_eq!(files.size(location).await.unwrap(), None);
}

#[tokio::test]
async fn a13_a_missing_extension_is_said_with_its_remedy() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut settings = config(directory.path());
    settings.data_path = "s3://bucket/lake".into();
    settings.extension_directory = directory.path().join("nothing");
    settings.s3 = Some(S3Settings {
        endpoint: None,
        region: "us-east-1".into(),
        key: "key".into(),
        secret: SecretText::new("very-secret"),
        url_style: UrlStyle::Virtual,
        use_ssl: true,
    });
    let Err(error) = Engine::open(settings).await else {
        panic!("there is no extension");
    };
    assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
    assert!(
        error.to_string().contains("engine.extension_directory"),
        "{error}"
    );
}
