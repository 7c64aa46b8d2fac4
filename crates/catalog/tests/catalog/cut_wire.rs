//! a connection to Postgres that is cut, or freezes, at any message of a publish. Afterwards the
//! dataset is wholly old or wholly new, its head agrees, and the next publish needs no repair.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use ducksync_catalog::CatalogConfig;
use ducksync_core::{
    catalog::{Publisher, Versions},
    change::TableChange,
    error::ErrorKind,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::support::{Site, basis, change, create, file, statement, version};

/// What happens to the message whose number is due.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The connection ends before it arrives.
    CutBefore,
    /// It arrives, and the connection ends.
    CutAfter,
    /// It never arrives, and nothing is said.
    Freeze,
}

/// Stands between the catalog and Postgres and counts messages of both directions.
struct Wire {
    address: SocketAddr,
    plan: Arc<Plan>,
}

struct Plan {
    armed: AtomicBool,
    seen: AtomicUsize,
    due: AtomicUsize,
    fault: std::sync::Mutex<Fault>,
    struck: Notify,
}

impl Wire {
    async fn lay(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan {
            armed: AtomicBool::new(false),
            seen: AtomicUsize::new(0),
            due: AtomicUsize::new(usize::MAX),
            fault: std::sync::Mutex::new(Fault::CutBefore),
            struck: Notify::new(),
        });
        let shared = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, plan }
    }

    fn arm(&self, due: usize, fault: Fault) {
        *self.plan.fault.lock().unwrap() = fault;
        self.plan.seen.store(0, Ordering::SeqCst);
        self.plan.due.store(due, Ordering::SeqCst);
        self.plan.armed.store(true, Ordering::SeqCst);
    }

    /// Whether the fault struck.
    fn disarm(&self) -> bool {
        !self.plan.armed.swap(false, Ordering::SeqCst)
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, plan: Arc<Plan>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut sent = vec![0; 1 << 16];
    let mut got = vec![0; 1 << 16];
    loop {
        let (bytes, target): (&[u8], &mut tokio::net::tcp::WriteHalf<'_>) = tokio::select! {
            n = from_client.read(&mut sent) => match n {
                Ok(n) if n > 0 => (&sent[..n], &mut to_server),
                _ => return,
            },
            n = from_server.read(&mut got) => match n {
                Ok(n) if n > 0 => (&got[..n], &mut to_client),
                _ => return,
            },
        };
        match plan.strikes() {
            None => {}
            Some(Fault::CutBefore) => return,
            Some(Fault::CutAfter) => {
                let _ = target.write_all(bytes).await;
                return;
            }
            Some(Fault::Freeze) => {
                plan.struck.notified().await;
                return;
            }
        }
        if target.write_all(bytes).await.is_err() {
            return;
        }
    }
}

impl Plan {
    fn strikes(&self) -> Option<Fault> {
        if !self.armed.load(Ordering::SeqCst) {
            return None;
        }
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let due = seen == self.due.load(Ordering::SeqCst);
        (due && self.armed.swap(false, Ordering::SeqCst)).then(|| *self.fault.lock().unwrap())
    }
}

fn through(wire: &Wire, config: &CatalogConfig) -> (CatalogConfig, String) {
    let (login, rest) = config.url.rsplit_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let through = CatalogConfig {
        url: format!("{login}@{}/{database}", wire.address),
        statement_timeout: Duration::from_millis(700),
        // Nothing but the publish talks while the wire is armed.
        notice_interval: Duration::from_secs(3600),
        ..config.clone()
    };
    (through, server.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a42_a_publish_is_whole_wherever_its_connection_breaks() {
    let Some(site) = Site::postgres().await else {
        return;
    };
    let server = site
        .config
        .url
        .rsplit_once('@')
        .unwrap()
        .1
        .split_once('/')
        .unwrap()
        .0
        .to_owned();
    let wire = Wire::lay(server).await;
    let (config, _) = through(&wire, &site.process());
    let catalog = ducksync_catalog::Catalog::open(config).await.unwrap();
    let witness = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    let mut rows = 1;
    for fault in [Fault::CutBefore, Fault::CutAfter, Fault::Freeze] {
        let mut due = 0;
        loop {
            let old = version(&catalog, dataset);
            rows += 1;
            let files = vec![file(&directory, rows)];
            let location = files[0].location.clone();
            let replace = TableChange::Replace {
                dataset,
                columns: None,
                files,
            };
            let publication = statement(vec![basis(&catalog, dataset)], vec![replace]);
            wire.arm(due, fault);
            let published = catalog.publish(publication.clone()).await;
            let struck = wire.disarm();
            wire.plan.struck.notify_waiters();
            let lake = witness.ask().await.unwrap();
            let now = &lake.versions[&dataset];
            let head = lake.datasets[&dataset].head.clone().unwrap();
            assert_eq!(
                (head.seq, head.run, head.snapshot),
                (now.seq, now.run, now.snapshot)
            );
            let whole = (now.files.len(), now.files[0].location.as_str());
            match published {
                Ok(published) => {
                    assert_eq!(whole, (1, location.as_str()), "{fault:?} at {due}");
                    assert_eq!(now.snapshot, published.snapshot);
                    assert_eq!((now.run, head.rows), (publication.run, rows as i64));
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?} at {due}");
                    assert_eq!(now.files, old.files, "{fault:?} at {due}");
                }
            }
            catalog.ask().await.unwrap();
            if !struck {
                break;
            }
            // A frozen connection takes as long as it takes to be given up.
            due += if fault == Fault::Freeze { 7 } else { 1 };
        }
        assert!(due > 20, "a publish has more messages than {due}");
        eprintln!("{fault:?}: {due} messages");
    }
    let append = TableChange::Append {
        dataset,
        files: vec![file(&directory, 1)],
    };
    change(&catalog, dataset, vec![append]).await.unwrap();
    assert_eq!(version(&catalog, dataset).rows(), rows + 1);
}
