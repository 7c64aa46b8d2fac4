//! A sample shaped like TPC-H, made on the spot: `DEMO.TPCH`, the same rows every time.

use crate::account::Account;
use crate::error::SqlError;

const DEFINITIONS: &str = include_str!("sample/tables.sql");
const ROWS: &str = include_str!("sample/rows.sql");

/// Makes the sample at the configured scale; scale 0 makes none.
pub(crate) fn create(account: &Account) -> Result<(), SqlError> {
    let scale = account.config.tpch_scale;
    if scale <= 0.0 {
        return Ok(());
    }
    let count = |at_one: f64| ((at_one * scale).round().max(1.0)).to_string();
    account.run_script(DEFINITIONS, None, None)?;
    let rows = ROWS
        .replace("{customers}", &count(150_000.0))
        .replace("{suppliers}", &count(10_000.0))
        .replace("{parts}", &count(200_000.0))
        .replace("{orders}", &count(1_500_000.0));
    account.run_script(&rows, Some("DEMO".to_owned()), Some("TPCH".to_owned()))?;
    Ok(())
}
