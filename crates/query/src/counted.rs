//! Counts what caches answer, and so spare their sources (O-4): the statement when it is bound, its bytes
//! when its rows have left.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream, Result,
    id::DatasetId,
    savings::{Savings, Tally},
    stream::arrow_bytes,
};
use futures::{Stream, StreamExt as _};

use crate::{Query, read::LocalPlan};

impl Query {
    /// Counts a statement for each cache that it reads.
    pub(crate) fn count_answer(&self, plan: &LocalPlan) {
        let answer = Tally {
            answers: 1,
            ..Tally::default()
        };
        for version in &plan.versions {
            if self.is_cache(version.dataset) {
                self.parts.savings.count(version.dataset, &answer);
            }
        }
    }

    /// The same rows, counted for each of these datasets that is a cache.
    pub(crate) fn count_rows(
        &self,
        datasets: impl Iterator<Item = DatasetId>,
        stream: BatchStream,
    ) -> BatchStream {
        let caches: Vec<_> = datasets.filter(|dataset| self.is_cache(*dataset)).collect();
        if caches.is_empty() {
            return stream;
        }
        let (schema, fields) = (stream.schema(), stream.fields().clone());
        let counted = Counted {
            stream,
            caches,
            bytes: 0,
            savings: self.parts.savings.clone(),
        };
        BatchStream::new(schema, fields, counted)
    }

    fn is_cache(&self, dataset: DatasetId) -> bool {
        let lake = self.parts.versions.current();
        let dataset = lake.datasets.get(&dataset);
        dataset.is_some_and(|dataset| dataset.query_cache().is_some())
    }
}

/// A stream that counts its bytes when it is over, however it ended.
struct Counted {
    stream: BatchStream,
    caches: Vec<DatasetId>,
    bytes: usize,
    savings: Arc<Savings>,
}

impl Stream for Counted {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = self.stream.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(batch))) = &item {
            self.bytes += arrow_bytes(batch);
        }
        item
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let left = Tally {
            answered_bytes: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            ..Tally::default()
        };
        for cache in &self.caches {
            self.savings.count(*cache, &left);
        }
    }
}
