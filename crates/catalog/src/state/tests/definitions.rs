use std::collections::BTreeMap;

use ducksync_core::{
    ErrorKind,
    catalog::{DatasetStore, SecretStore, Versions},
    secret::{Secret, SecretText},
};

use crate::{
    crypto::SecretKey,
    testing::{define, name, on_each_engine, source},
};

fn login() -> Secret {
    Secret {
        kind: "snowflake".into(),
        values: BTreeMap::from([("password".to_owned(), SecretText::new("hunter2"))]),
    }
}

#[tokio::test]
async fn g11_secrets_come_back_whole_and_only_with_the_key() {
    on_each_engine(|mut place| async {
        let catalog = place.open().await;
        catalog
            .put_secret(&name("Login"), &login(), false)
            .await
            .unwrap();
        assert_eq!(catalog.secret(&name("login")).await.unwrap(), login());
        let row = catalog
            .db
            .fetch_one(crate::db::sql("SELECT sealed FROM ducksync.secrets"));
        let sealed: Vec<u8> = row.await.unwrap().get(0).unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        catalog.close().await;
        drop(catalog);
        place.config.secret_key = SecretKey::generate().unwrap();
        let error = place.open().await.secret(&name("login")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        place
    })
    .await;
}

#[tokio::test]
async fn g11_a_secret_is_replaced_only_when_asked_and_kept_while_used() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (secret, now) = (name("login"), catalog.now().await.unwrap());
        catalog.put_secret(&secret, &login(), false).await.unwrap();
        let error = catalog
            .put_secret(&name("LOGIN"), &login(), false)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(!error.to_string().contains("hunter2"));
        catalog
            .put_source(source("prod", now), false)
            .await
            .unwrap();
        let before = catalog.current().revision;
        catalog.put_secret(&secret, &login(), true).await.unwrap();
        assert!(
            catalog.current().revision > before,
            "whoever uses it can notice"
        );
        let error = catalog.drop_secret(&secret).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        assert!(error.message().contains("source prod"), "{error}");
        catalog.drop_source(&name("prod")).await.unwrap();
        catalog.drop_secret(&secret).await.unwrap();
        let error = catalog.secret(&secret).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        place
    })
    .await;
}

#[tokio::test]
async fn c15_a_source_of_the_same_name_is_the_same_or_refused() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let now = catalog.now().await.unwrap();
        let first = source("Prod", now);
        catalog.put_source(first.clone(), false).await.unwrap();
        assert_eq!(**catalog.current().source(&name("prod")).unwrap(), first);
        catalog.put_source(first.clone(), false).await.unwrap();
        let mut other = source("PROD", now);
        other.passthrough_enabled = true;
        let error = catalog.put_source(other.clone(), false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        catalog.put_source(other, true).await.unwrap();
        assert!(
            catalog
                .current()
                .source(&name("prod"))
                .unwrap()
                .passthrough_enabled
        );
        place
    })
    .await;
}

#[tokio::test]
async fn c14_a_source_in_use_is_not_dropped_and_its_users_are_named() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let now = catalog.now().await.unwrap();
        catalog
            .put_source(source("prod", now), false)
            .await
            .unwrap();
        let sales = define(&catalog, "sales").await;
        let error = catalog.drop_source(&name("PROD")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FailedPrecondition);
        assert!(error.message().contains("prod.sales"), "{error}");
        catalog.forget(sales, false).await.unwrap();
        catalog.drop_source(&name("PROD")).await.unwrap();
        assert!(catalog.current().source(&name("prod")).is_none());
        let error = catalog.drop_source(&name("prod")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        place
    })
    .await;
}
