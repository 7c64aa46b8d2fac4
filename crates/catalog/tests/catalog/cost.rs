//! What a publish costs, printed for the curious: `--ignored --nocapture`.

use std::time::Instant;

use ducksync_core::{catalog::Versions, change::TableChange};

use crate::support::{Site, change, create, file, version};

#[tokio::test]
#[ignore = "measures"]
async fn publishes_in_a_lake_of_a_thousand_tables() {
    let sites = [
        ("sqlite", Some(Site::sqlite())),
        ("postgres", Site::postgres().await),
    ];
    for (engine, site) in sites {
        let Some(site) = site else { continue };
        let catalog = site.open().await;
        let mut last = None;
        for n in 0..1000 {
            last = Some(create(&catalog, &format!("t{n}"), 1).await);
        }
        let dataset = last.unwrap();
        let directory = version(&catalog, dataset).directory.clone();
        let mut times = Vec::new();
        for _ in 0..200 {
            let files = vec![file(&directory, 1)];
            let replace = TableChange::Replace {
                dataset,
                columns: None,
                files,
            };
            let begun = Instant::now();
            change(&catalog, dataset, vec![replace]).await.unwrap();
            times.push(begun.elapsed());
        }
        times.sort();
        let begun = Instant::now();
        catalog.ask().await.unwrap();
        let asked = begun.elapsed();
        catalog.close().await;
        drop(catalog);
        let begun = Instant::now();
        site.open().await;
        eprintln!(
            "{engine}: publish p50 {:?} p99 {:?}; ask {asked:?}; open {:?}",
            times[100],
            times[198],
            begun.elapsed()
        );
    }
}
