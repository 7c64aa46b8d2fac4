//! `/sim/users`: how a test rotates a secret, or locks somebody out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::account::Account;
use crate::config::User;

/// What to change of a user: what is not given stays, `null` takes away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: String,
    #[serde(default, deserialize_with = "given")]
    password: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    public_key: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    second_public_key: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    token: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    oauth_token: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    default_warehouse: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    default_role: Option<Option<String>>,
    roles: Option<Vec<String>>,
    disabled: Option<bool>,
}

fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// `POST /sim/users {"name": …, "password": …}`: whoever is not known is made.
pub(super) async fn alter(
    State(account): State<Arc<Account>>,
    Json(change): Json<Change>,
) -> Json<Value> {
    let name = change.name.clone();
    account.engine.users.alter(&name, |user| change.apply(user));
    Json(json!({ "status": "ok" }))
}

impl Change {
    fn apply(self, user: &mut User) {
        let set = |slot: &mut Option<String>, value: Option<Option<String>>| {
            if let Some(value) = value {
                *slot = value;
            }
        };
        set(&mut user.password, self.password);
        set(&mut user.public_key, self.public_key);
        set(&mut user.second_public_key, self.second_public_key);
        set(&mut user.token, self.token);
        set(&mut user.oauth_token, self.oauth_token);
        set(&mut user.default_warehouse, self.default_warehouse);
        set(&mut user.default_role, self.default_role);
        user.roles = self.roles.unwrap_or(std::mem::take(&mut user.roles));
        user.disabled = self.disabled.unwrap_or(user.disabled);
    }
}
