use std::time::Duration;

use chrono::{Days, Utc};
use ducksync_core::{
    catalog::RunLedger,
    id::{DatasetId, RunId},
    run::RunTrigger,
    savings::{DayTally, SavingsStore, Tally},
};

use crate::{
    db::sql,
    testing::{completed, on_each_engine},
};

fn tally(dataset: DatasetId, days_ago: u64) -> DayTally {
    DayTally {
        dataset,
        day: Utc::now().date_naive() - Days::new(days_ago),
        tally: Tally {
            answers: 1,
            answered_bytes: 20,
            loads_avoided: 3,
            loads: 4,
            source_statements: 5,
            source_bytes: 6_000_000_000,
            source_milliseconds: 7,
            warehouse_size: None,
        },
    }
}

#[tokio::test]
async fn o4_savings_of_two_processes_add_up_day_by_day() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (one, other) = (DatasetId::generate(), DatasetId::generate());
        let mut sized = tally(one, 0);
        sized.tally.warehouse_size = Some("Large".into());
        catalog
            .add_savings(&[sized, tally(other, 0), tally(one, 3)])
            .await
            .unwrap();
        catalog.add_savings(&[tally(one, 0)]).await.unwrap();
        let since = |days| Utc::now().date_naive() - Days::new(days);
        let today = catalog.savings(since(0)).await.unwrap();
        let both = today.iter().find(|tally| tally.dataset == one).unwrap();
        assert_eq!(both.tally.answers, 2);
        assert_eq!(both.tally.source_bytes, 12_000_000_000);
        assert_eq!(both.tally.warehouse_size.as_deref(), Some("Large"));
        let all = catalog.savings(since(3)).await.unwrap();
        assert_eq!((today.len(), all.len()), (2, 3));
        assert_eq!(all[0], tally(one, 3), "as it was counted");
        let two_days = Duration::from_secs(2 * 24 * 3600);
        assert_eq!(catalog.prune_savings(two_days).await.unwrap(), 1);
        assert_eq!(catalog.savings(since(9)).await.unwrap().len(), 2);
        place
    })
    .await;
}

#[tokio::test]
async fn o9_a_catalog_of_the_format_before_is_brought_up_to_date_with_its_runs() {
    on_each_engine(|place| async {
        let (run, dataset) = (RunId::generate(), DatasetId::generate());
        let catalog = place.open().await;
        catalog.begin(run, dataset, RunTrigger::Read).await.unwrap();
        catalog.finish(run, completed()).await.unwrap();
        for statement in [
            "DROP TABLE ducksync.savings",
            "ALTER TABLE ducksync.runs DROP COLUMN note",
            "UPDATE ducksync.state SET format_version = 1",
        ] {
            catalog.db.execute(sql(statement)).await.unwrap();
        }
        catalog.close().await;
        drop(catalog);
        let catalog = place.open().await;
        let run = catalog.run(run).await.unwrap();
        assert_eq!((run.dataset, run.outcome.note), (dataset, None));
        catalog.add_savings(&[tally(dataset, 0)]).await.unwrap();
        drop(catalog);
        let again = place.open().await;
        let kept = again.savings(Utc::now().date_naive()).await.unwrap();
        assert_eq!(kept.len(), 1, "and only once");
        place
    })
    .await;
}
