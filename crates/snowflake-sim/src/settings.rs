//! What can be switched while the account runs.

use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// Switches of a running simulator; the default is an account in good order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The account is suspended: logins and metadata work, warehouses do not (000666).
    pub suspended: bool,
    /// `SYSTEM$LAST_CHANGE_COMMIT_TIME` needs a warehouse, and costs what that costs.
    pub change_tokens_need_warehouse: bool,
    /// How many seconds the account's clock is ahead of the machine's: for the times in a JWT, and
    /// in the date of its replies.
    pub clock_offset_seconds: i64,
}

/// The settings of an account.
#[derive(Debug, Default)]
pub(crate) struct Switches(RwLock<Settings>);

impl Switches {
    pub(crate) fn get(&self) -> Settings {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
