//! Who gets in, and who does not (S-1, V-12, V-19), on each engine.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use ducksync_core::{
    ErrorKind,
    auth::{Authenticator, Credentials, Grant, GrantStore, GrantTarget, Principal, Privilege},
    secret::SecretText,
    time::{Clock, Instant, SystemClock},
};

use super::{AuthConfig, CatalogAuthenticator, StandIn, TokenStore, ensure_admin, hash_password};
use crate::{
    Catalog,
    testing::{Place, on_each_engine},
};

/// A clock that a test moves.
struct HandClock(Mutex<Instant>);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(SystemClock.now())))
    }

    fn forward(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

fn replica(place: &Place, catalog: &Arc<Catalog>, clock: &Arc<HandClock>) -> CatalogAuthenticator {
    CatalogAuthenticator::with_clock(
        catalog.clone(),
        catalog.clone(),
        &place.config.secret_key,
        &AuthConfig::default(),
        clock.clone(),
    )
}

async fn put(catalog: &Catalog, user: &str, password: &str) {
    let hash = hash_password(&SecretText::new(password)).await.unwrap();
    catalog.put_user(user, &hash, &[], false).await.unwrap();
}

fn basic(user: &str, password: &str) -> Credentials {
    Credentials::Basic {
        user: user.into(),
        password: SecretText::new(password),
    }
}

async fn login(to: &dyn Authenticator, credentials: &Credentials) -> Option<Principal> {
    match to.authenticate(credentials).await {
        Ok(principal) => Some(principal),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
            assert_eq!(error.to_string(), super::unauthenticated().to_string());
            None
        }
    }
}

#[tokio::test]
async fn s1_unknown_user_wrong_password_and_bad_token_are_the_same_error() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "right").await;
        let door = replica(&place, &catalog, &clock);
        assert_eq!(
            login(&door, &basic("ann", "right")).await.unwrap().name,
            "ann"
        );
        assert!(login(&door, &basic("ann", "wrong")).await.is_none());
        assert!(login(&door, &basic("bob", "right")).await.is_none());
        assert!(login(&door, &basic("", "")).await.is_none());
        for bad in ["", "ds1.", "ds1.AAAA", "right"] {
            assert!(
                login(&door, &Credentials::Bearer(SecretText::new(bad)))
                    .await
                    .is_none()
            );
        }
        place
    })
    .await;
}

#[tokio::test]
async fn s1_a_token_works_on_every_replica_while_it_is_used() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "right").await;
        let (one, other) = (
            replica(&place, &catalog, &clock),
            replica(&place, &catalog, &clock),
        );
        let ann = login(&one, &basic("ann", "right")).await.unwrap();
        let token = Credentials::Bearer(one.mint(&ann).await.unwrap());
        assert_eq!(login(&other, &token).await.unwrap().name, "ann");
        for _ in 0..3 {
            clock.forward(TimeDelta::hours(7));
            assert!(
                login(&one, &token).await.is_some(),
                "used within eight hours"
            );
        }
        assert!(
            login(&other, &token).await.is_some(),
            "used elsewhere within eight hours"
        );
        let restarted = replica(&place, &catalog, &clock);
        assert!(login(&restarted, &token).await.is_some());
        clock.forward(TimeDelta::hours(9));
        for door in [&one, &other, &restarted] {
            assert!(login(door, &token).await.is_none(), "idle for too long");
        }
        place
    })
    .await;
}

#[tokio::test]
async fn v12_a_revoked_token_ends_here_at_once_and_elsewhere_within_a_minute() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "right").await;
        let door = replica(&place, &catalog, &clock);
        let ann = login(&door, &basic("ann", "right")).await.unwrap();
        let (gone, kept) = (
            door.mint(&ann).await.unwrap(),
            door.mint(&ann).await.unwrap(),
        );
        assert!(
            login(&door, &Credentials::Bearer(gone.clone()))
                .await
                .is_some()
        );
        door.revoke(&gone).await.unwrap();
        assert!(
            login(&door, &Credentials::Bearer(gone.clone()))
                .await
                .is_none()
        );
        assert!(login(&door, &Credentials::Bearer(kept)).await.is_some());
        let elsewhere = replica(&place, &catalog, &clock);
        assert!(
            login(&elsewhere, &Credentials::Bearer(gone))
                .await
                .is_none()
        );
        place
    })
    .await;
}

#[tokio::test]
async fn v12_a_new_password_ends_the_old_one_and_its_tokens() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "old").await;
        let door = replica(&place, &catalog, &clock);
        let ann = login(&door, &basic("ann", "old")).await.unwrap();
        let token = door.mint(&ann).await.unwrap();
        put(&catalog, "ann", "new").await;
        assert!(login(&door, &basic("ann", "new")).await.is_some());
        assert!(login(&door, &basic("ann", "old")).await.is_none());
        assert!(login(&door, &Credentials::Bearer(token)).await.is_none());
        place
    })
    .await;
}

#[tokio::test]
async fn c4_a_stand_in_token_lives_and_ends_with_its_login() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "old").await;
        let logins = Arc::new(replica(&place, &catalog, &clock));
        let token = SecretText::new("sixteen-or-more!");
        let stand_in =
            async |user: &str, token: &SecretText| StandIn::new(logins.clone(), user, token).await;
        for bad in ["fifteen-or-less", "with a space in it", "höher als hoch"] {
            let error = stand_in("ann", &SecretText::new(bad)).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(!error.to_string().contains(bad), "{error}");
        }
        assert!(stand_in("bob", &token).await.is_err(), "no such login");
        let door = stand_in("ann", &token).await.unwrap();
        let shown = Credentials::Bearer(token.clone());
        assert_eq!(login(&door, &shown).await.unwrap().name, "ann");
        assert!(login(&door, &basic("ann", "old")).await.is_some());
        assert!(
            login(&*logins, &shown).await.is_none(),
            "here and nowhere else"
        );
        let other = Credentials::Bearer(SecretText::new("sixteen-or-more?"));
        assert!(login(&door, &other).await.is_none());
        assert!(door.is_same(&stand_in("ann", &token).await.unwrap()));
        clock.forward(TimeDelta::days(9));
        assert!(login(&door, &shown).await.is_some(), "it is never idle");
        put(&catalog, "ann", "new").await;
        assert!(login(&door, &basic("ann", "new")).await.is_some());
        assert!(
            login(&door, &shown).await.is_none(),
            "given under another password"
        );
        assert!(!door.is_same(&stand_in("ann", &token).await.unwrap()));
        place
    })
    .await;
}

#[tokio::test]
async fn records_of_ended_tokens_are_forgotten() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let now = SystemClock.now();
        let (old, new) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        catalog
            .revoke_token(old, "ann", now - TimeDelta::hours(10))
            .await
            .unwrap();
        catalog
            .record_use(
                old,
                "ann",
                now - TimeDelta::hours(11),
                now - TimeDelta::days(1),
            )
            .await
            .unwrap();
        let last = catalog.last_use(old).await.unwrap().unwrap();
        assert!(last > now - TimeDelta::hours(11), "a use never goes back");
        assert_eq!(catalog.revoked_tokens().await.unwrap(), [old]);
        catalog
            .record_use(new, "ann", now, now - TimeDelta::hours(9))
            .await
            .unwrap();
        assert!(catalog.revoked_tokens().await.unwrap().is_empty());
        assert!(catalog.last_use(new).await.unwrap().is_some());
        place
    })
    .await;
}

#[tokio::test]
async fn v19_the_first_start_makes_an_admin_with_a_private_password_file() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        let path = place.home().join("admin.password");
        let made = ensure_admin(&*catalog, &path).await.unwrap().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap().trim(),
            made.password.expose()
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(made.password.expose()));
        let door = replica(&place, &catalog, &clock);
        let admin = login(&door, &basic("admin", made.password.expose()))
            .await
            .unwrap();
        assert!(admin.is_admin());
        assert!(ensure_admin(&*catalog, &path).await.unwrap().is_none());
        place
    })
    .await;
}

#[tokio::test]
async fn v19_of_two_first_starts_at_once_one_makes_the_admin() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        let files = ["one.password", "other.password"].map(|name| place.home().join(name));
        let starts = files.each_ref().map(|file| ensure_admin(&*catalog, file));
        let [one, other] = starts;
        let (one, other) = tokio::join!(one, other);
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_ne!(one.is_some(), other.is_some(), "exactly one makes it");
        assert_eq!(
            files.each_ref().map(|file| file.exists()),
            [one.is_some(), other.is_some()]
        );
        let made = one.or(other).unwrap();
        let door = replica(&place, &catalog, &clock);
        assert!(
            login(&door, &basic("admin", made.password.expose()))
                .await
                .is_some()
        );
        place
    })
    .await;
}

#[tokio::test]
async fn v19_a_first_start_that_was_killed_is_made_up_for() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let path = place.home().join("admin.password");
        crate::private_file::create(&path, "a test", "kept-password\n").unwrap();
        let admin = Grant {
            privilege: Privilege::Admin,
            target: GrantTarget::Server,
        };
        catalog.grant("admin", &admin).await.unwrap();
        let made = ensure_admin(&*catalog, &path).await.unwrap().unwrap();
        assert_eq!(made.password.expose(), "kept-password");
        place
    })
    .await;
}

#[tokio::test]
async fn v16_passwords_sent_with_every_call_are_hashed_once() {
    on_each_engine(|place| async {
        let (catalog, clock) = (place.open().await, HandClock::new());
        put(&catalog, "ann", "right").await;
        let door = replica(&place, &catalog, &clock);
        let ann = basic("ann", "right");
        let first = std::time::Instant::now();
        login(&door, &ann).await.unwrap();
        let first = first.elapsed();
        let again = std::time::Instant::now();
        for _ in 0..100 {
            login(&door, &ann).await.unwrap();
        }
        let again = again.elapsed() / 100;
        println!("first login {first:?}, each later one {again:?}");
        assert!(again < first.max(Duration::from_millis(5)) / 5);
        place
    })
    .await;
}
