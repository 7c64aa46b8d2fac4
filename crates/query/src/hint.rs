//! The leading hint of a statement: `/*+ ducksync(max_staleness=60, only_if_cached) */` (V-1).

use ducksync_core::{Error, Result, session::Contract};

/// The contract of a statement: `contract` with what its leading hint sets.
///
/// # Errors
/// `InvalidArgument` for an unknown option or a bad value.
pub(crate) fn contract(sql: &str, contract: Contract) -> Result<Contract> {
    let Some(options) = options(sql) else {
        return Ok(contract);
    };
    let mut contract = contract;
    for option in options
        .split(',')
        .map(str::trim)
        .filter(|option| !option.is_empty())
    {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if value.is_empty() && !name.trim().eq_ignore_ascii_case("only_if_cached") {
            return Err(
                Error::invalid(format!("hint option {option:?} has no value"))
                    .with_remedy("write name=value"),
            );
        }
        contract.set(name.trim(), value.trim())?;
    }
    Ok(contract)
}

fn options(sql: &str) -> Option<&str> {
    let hint = sql.trim_start().strip_prefix("/*+")?;
    let hint = hint[..hint.find("*/")?].trim();
    let rest = hint
        .get(..8)
        .filter(|word| word.eq_ignore_ascii_case("ducksync"))?;
    hint[rest.len()..]
        .trim()
        .strip_prefix('(')?
        .strip_suffix(')')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ducksync_core::session::Consistency;

    use super::*;

    #[test]
    fn v1_a_leading_hint_sets_the_contract() {
        let of = |sql: &str| contract(sql, Contract::default());
        let both = of("/*+ ducksync(max_staleness=60, consistency=fresh) */ SELECT 1").unwrap();
        assert_eq!(both.max_staleness, Some(Duration::from_secs(60)));
        assert_eq!(both.consistency, Consistency::Fresh);
        assert!(
            of(" /*+ DuckSync(only_if_cached) */ SELECT 1")
                .unwrap()
                .only_if_cached
        );
        assert_eq!(
            of("/* ducksync(max_staleness=60) */ SELECT 1").unwrap(),
            Contract::default()
        );
        assert_eq!(
            of("SELECT 1 /*+ ducksync(max_staleness=60) */").unwrap(),
            Contract::default()
        );
        for bad in [
            "max_staleness",
            "max_staleness=-1",
            "max_stale=1",
            "consistency=maybe",
        ] {
            let error = of(&format!("/*+ ducksync({bad}) */ SELECT 1")).unwrap_err();
            assert!(
                error.to_string().contains(bad.split('=').next().unwrap()),
                "{error}"
            );
        }
    }
}
