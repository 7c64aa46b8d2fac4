//! How large the login's warehouse is, which says what its seconds cost. SHOW needs no warehouse.

use std::time::{Duration, Instant};

use ducksync_core::error::Result;
use tokio::sync::Mutex;

use super::{
    answer::{self, Table},
    failure,
    names::{covering_pattern, fold},
    pool::{Place, SessionPool},
    questions,
    settings::Options,
};

/// How long an answer is believed: sizes are changed by hand.
const BELIEVED: Duration = Duration::from_secs(3600);

/// The size as it was told last.
#[derive(Default)]
pub(super) struct Warehouse {
    told: Mutex<Option<(Instant, Option<String>)>>,
}

impl Warehouse {
    /// The size, such as `X-Small`; `None` if the login names no warehouse, may not see it, or it is not
    /// a standard one, whose price is another.
    pub(super) async fn size(
        &self,
        sessions: &SessionPool,
        options: Options,
    ) -> Result<Option<String>> {
        let Some(warehouse) = sessions.login().warehouse.as_deref().map(fold) else {
            return Ok(None);
        };
        let mut told = self.told.lock().await;
        if let Some((at, size)) = told.as_ref()
            && at.elapsed() < BELIEVED
        {
            return Ok(size.clone());
        }
        let sql = format!("SHOW WAREHOUSES LIKE {}", covering_pattern(&warehouse));
        let session = sessions.session(Place::default());
        let manner = questions::manner("ducksync:warehouse");
        let size = match answer::table(&session, &sql, &manner, options).await {
            Ok(table) => size_of(&table, &warehouse)?,
            Err(error) if failure::is_rejection(&error) => None,
            Err(error) => return Err(error),
        };
        *told = Some((Instant::now(), size.clone()));
        Ok(size)
    }
}

fn size_of(table: &Table, warehouse: &str) -> Result<Option<String>> {
    if table.rows.is_empty() {
        return Ok(None);
    }
    let (name, size) = (table.column("name")?, table.column("size")?);
    let kind = table.column("type")?;
    let cell = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten();
    let ours = table
        .rows
        .iter()
        .find(|row| cell(row, name).as_deref() == Some(warehouse));
    let standard = ours.filter(|row| cell(row, kind).as_deref() == Some("STANDARD"));
    Ok(standard.and_then(|row| cell(row, size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_only_the_very_warehouse_tells_and_only_a_standard_one() {
        let row = |cells: [&str; 3]| cells.map(|cell| Some(cell.to_owned())).to_vec();
        let table = Table {
            columns: ["name", "type", "size"].map(str::to_owned).to_vec(),
            rows: vec![
                row(["W_1", "STANDARD", "Large"]),
                row(["WA1", "STANDARD", "Small"]),
                row(["PARK", "SNOWPARK-OPTIMIZED", "Medium"]),
            ],
        };
        let size = |name: &str| size_of(&table, name).unwrap();
        assert_eq!(size("W_1").as_deref(), Some("Large"));
        assert_eq!(size("PARK"), None);
        assert_eq!(size("NONE"), None);
    }
}
