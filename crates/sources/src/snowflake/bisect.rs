//! Asking about many things in one statement, although one of them may spoil it.

use ducksync_core::error::{Error, Result};
use futures::future::BoxFuture;

use super::{batch::Answers, failure};

/// Asks about all of `keys`, at most `most` at once. A statement that Snowflake rejects is asked again in
/// halves, until it is known whose fault it is: that is that key's error, and all others are answered.
///
/// # Errors
/// What is no rejection: nobody's fault.
pub(super) async fn bisect<'a, K, V>(
    keys: &'a [K],
    most: usize,
    ask: impl Fn(&'a [K]) -> BoxFuture<'a, Result<Vec<V>>>,
) -> Result<Answers<K, V>>
where
    K: Ord + Clone,
{
    let mut answers = Answers::new();
    let mut batches: Vec<&[K]> = keys.chunks(most).rev().collect();
    while let Some(batch) = batches.pop() {
        match (ask(batch).await, batch) {
            (Ok(values), _) if values.len() == batch.len() => {
                let values = values.into_iter().map(Ok);
                answers.extend(batch.iter().cloned().zip(values));
            }
            (Ok(_), _) => {
                return Err(Error::data_loss(
                    "snowflake answered about other things than it was asked about",
                ));
            }
            (Err(error), _) if !failure::is_rejection(&error) => return Err(error),
            (Err(_), [_, _, ..]) => {
                let (left, right) = batch.split_at(batch.len() / 2);
                batches.extend([right, left]);
            }
            (Err(error), [key]) => drop(answers.insert(key.clone(), Err(error))),
            (Err(error), []) => return Err(error),
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::ready};

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn c8_one_that_spoils_the_statement_takes_it_from_no_other() {
        let asked = RefCell::new(Vec::new());
        let keys: Vec<u32> = (0..10).collect();
        let answers = bisect(&keys, 8, |batch: &[u32]| {
            asked.borrow_mut().push(batch.len());
            let answer = match batch.contains(&5) {
                true => Err(Error::invalid("5 is no table")),
                false => Ok(batch.iter().map(|key| key * 10).collect()),
            };
            ready(answer).boxed()
        });
        let answers = answers.await.unwrap();
        assert_eq!(answers.len(), 10);
        assert!(answers[&5].is_err());
        for key in keys.iter().filter(|key| **key != 5) {
            assert_eq!(*answers[key].as_ref().unwrap(), key * 10);
        }
        assert!(asked.borrow().len() <= 8, "{:?}", asked.borrow());
    }

    #[tokio::test]
    async fn a_dead_line_is_nobodys_fault() {
        let dead = |_: &[i32]| ready(Err::<Vec<()>, _>(Error::unavailable("no answer"))).boxed();
        let answers = bisect(&[1, 2], 8, dead);
        assert!(answers.await.is_err());
    }
}
