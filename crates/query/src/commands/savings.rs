//! `savings`: what caches spared their sources (O-4), and what that may have been worth.
//!
//! Everything but the credits was counted. The credits are an estimate from counted numbers alone: where
//! one of these is missing there is none, and the row says which.

use std::{collections::HashMap, sync::Arc};

use chrono::Days;
use ducksync_core::{
    Error, Result,
    auth::Privilege,
    command::Savings,
    id::DatasetId,
    savings::{DayTally, Tally, credits_per_hour},
};

use super::answer;
use crate::{
    Query, Session,
    system::{Literal, Rows, optional, text, visible_caches},
};

/// Days asked for, at most: older ones are forgotten.
const MOST_DAYS: i64 = 400;

impl Query {
    pub(super) async fn savings(&self, session: &Arc<Session>, arguments: Savings) -> Result<Rows> {
        let days = arguments.days;
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(
                Error::invalid(format!("days must be 1 to {MOST_DAYS}, not {days}"))
                    .with_remedy("0 days have no savings; older ones are forgotten"),
            );
        }
        let only = match &arguments.cache_name {
            Some(name) => Some(self.cache_for(session, name, Privilege::Select)?.1.id),
            None => None,
        };
        let savings = &self.parts.savings;
        let back = Days::new(days.unsigned_abs() - 1);
        let today = savings.today();
        let tallies = savings
            .since(today.checked_sub_days(back).unwrap_or(today))
            .await?;
        let mut sums: HashMap<DatasetId, Tally> = HashMap::new();
        for tally in &tallies {
            sums.entry(tally.dataset).or_default().add(&tally.tally);
        }
        let (lake, principal) = (self.parts.versions.current(), session.principal());
        let caches: HashMap<_, _> = visible_caches(&lake, &principal)
            .into_iter()
            .filter(|cache| only.is_none_or(|only| only == cache.id))
            .filter_map(|dataset| {
                let source = text(dataset.query_cache()?.source.as_str());
                Some((dataset.id, [text(&dataset.name.name), source]))
            })
            .collect();
        let mut rows: Vec<_> = tallies
            .iter()
            .filter_map(|tally| {
                Some((
                    tally,
                    caches.get(&tally.dataset)?,
                    sums.get(&tally.dataset)?,
                ))
            })
            .collect();
        rows.sort_by(|(l, left, _), (r, right, _)| (r.day, &left[0]).cmp(&(l.day, &right[0])));
        let rows = rows
            .into_iter()
            .map(|(day, names, sum)| row(day, names, sum));
        answer("savings", rows.collect())
    }
}

fn row(DayTally { day, tally, .. }: &DayTally, names: &[Literal; 2], sum: &Tally) -> Vec<Literal> {
    let estimate = Estimate::of(tally, sum);
    let (spent, spared) = match &estimate {
        Ok(estimate) => (Some(estimate.spent()), Some(estimate.spared())),
        Err(_) => (None, None),
    };
    let formula = match &estimate {
        Ok(estimate) => estimate.formula(),
        Err(missing) => format!("no estimate: {missing}"),
    };
    let double = |value: f64| format!("{value}::DOUBLE");
    let mut row = names.to_vec();
    row.extend([
        text(&day.to_string()),
        tally.answers.to_string(),
        tally.answered_bytes.to_string(),
        tally.loads_avoided.to_string(),
        tally.loads.to_string(),
        tally.source_statements.to_string(),
        tally.source_bytes.to_string(),
        double(seconds(tally)),
        optional(
            tally
                .warehouse_size
                .as_deref()
                .or(sum.warehouse_size.as_deref()),
            text,
        ),
        optional(spent, double),
        optional(spared, double),
        text(&formula),
    ]);
    row
}

fn seconds(tally: &Tally) -> f64 {
    tally.source_milliseconds as f64 / 1000.0
}

/// What a day's numbers are worth in credits.
struct Estimate<'a> {
    tally: &'a Tally,
    size: &'a str,
    /// Credits of an hour.
    rate: f64,
    /// Seconds of a statement of the cache's loads, over all days asked for.
    each: f64,
}

impl<'a> Estimate<'a> {
    /// # Errors
    /// What was not measured.
    fn of(tally: &'a Tally, sum: &'a Tally) -> Result<Self, String> {
        let size = tally.warehouse_size.as_deref();
        let size = size
            .or(sum.warehouse_size.as_deref())
            .ok_or("the source did not tell the size of a standard warehouse")?;
        let rate =
            credits_per_hour(size).ok_or(format!("the price of size {size} is not known"))?;
        if sum.source_statements == 0 {
            return Err("no load was measured in these days".into());
        }
        Ok(Self {
            tally,
            size,
            rate,
            each: seconds(sum) / sum.source_statements as f64,
        })
    }

    fn spent(&self) -> f64 {
        seconds(self.tally) * self.rate / 3600.0
    }

    fn spared(&self) -> f64 {
        let statements = (self.tally.answers + self.tally.loads_avoided) as f64;
        statements * self.each * self.rate / 3600.0
    }

    fn formula(&self) -> String {
        let Tally {
            answers,
            loads_avoided,
            ..
        } = self.tally;
        let (size, rate, each) = (self.size, self.rate, self.each);
        format!(
            "spent = {} s of loads * {rate} credits/h ({size}) / 3600; spared at most = ({answers} \
             answers + {loads_avoided} loads avoided) * {each} s, the mean of a load, * {rate} / 3600; \
             without a warehouse's idle time and minimum, and as if the source had answered nothing \
             from its own result cache",
            seconds(self.tally),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_no_credits_without_a_measured_load_and_size() {
        let mut tally = Tally {
            answers: 10,
            ..Tally::default()
        };
        let missing = |tally: &Tally| Estimate::of(tally, tally).err().unwrap();
        assert!(missing(&tally).contains("size"), "{}", missing(&tally));
        tally.warehouse_size = Some("Medium".into());
        assert!(missing(&tally).contains("no load"), "{}", missing(&tally));
        tally.source_statements = 2;
        tally.source_milliseconds = 1800;
        let estimate = Estimate::of(&tally, &tally).ok().unwrap();
        assert!((estimate.spent() - 1.8 * 4.0 / 3600.0).abs() < 1e-12);
        assert!((estimate.spared() - 10.0 * 0.9 * 4.0 / 3600.0).abs() < 1e-12);
        tally.warehouse_size = Some("Odd".into());
        assert!(missing(&tally).contains("Odd"), "{}", missing(&tally));
    }
}
