use ducksync_core::{
    ErrorKind,
    auth::{Grant, GrantStore, GrantTarget, Privilege},
    secret::SecretText,
};

use crate::testing::on_each_engine;

fn grant(privilege: Privilege, target: GrantTarget) -> Grant {
    Grant { privilege, target }
}

#[tokio::test]
async fn v12_a_principal_has_its_own_grants_and_those_of_its_roles() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        assert!(!catalog.has_users().await.unwrap());
        let sales = GrantTarget::Table("Prod".into(), "Sales".into());
        let read = grant(Privilege::Select, sales.clone());
        let hash = SecretText::new("$hash");
        catalog
            .put_user("ann", &hash, &["analyst".into()], false)
            .await
            .unwrap();
        catalog.grant("analyst", &read).await.unwrap();
        catalog.grant("analyst", &read).await.unwrap();
        catalog
            .grant("ann", &grant(Privilege::Refresh, sales.clone()))
            .await
            .unwrap();
        catalog
            .grant("bob", &grant(Privilege::Admin, GrantTarget::Server))
            .await
            .unwrap();
        let ann = catalog.principal("ann").await.unwrap().unwrap();
        assert_eq!(ann.roles, ["analyst"]);
        assert_eq!(ann.grants.len(), 2);
        assert!(ann.may(Privilege::Select, &sales) && ann.may(Privilege::Refresh, &sales));
        assert!(!ann.is_admin());
        assert_eq!(
            catalog
                .password_hash("ann")
                .await
                .unwrap()
                .unwrap()
                .expose(),
            "$hash"
        );
        for nobody in ["bob", "Ann", "analyst", ""] {
            assert_eq!(catalog.principal(nobody).await.unwrap(), None, "{nobody:?}");
            assert_eq!(
                catalog.password_hash(nobody).await.unwrap(),
                None,
                "{nobody:?}"
            );
        }
        assert!(catalog.has_users().await.unwrap());
        place
    })
    .await;
}

#[tokio::test]
async fn v12_what_is_revoked_or_no_longer_a_role_is_gone() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let schema = |name: &str| GrantTarget::Schema(name.into());
        let hash = SecretText::new("$hash");
        catalog
            .put_user("ann", &hash, &["analyst".into()], false)
            .await
            .unwrap();
        catalog
            .grant("analyst", &grant(Privilege::Manage, schema("prod")))
            .await
            .unwrap();
        catalog
            .grant("ann", &grant(Privilege::Select, schema("Prod")))
            .await
            .unwrap();
        catalog
            .revoke("ann", &grant(Privilege::Select, schema("PROD")))
            .await
            .unwrap();
        let ann = catalog.principal("ann").await.unwrap().unwrap();
        assert!(!ann.may(Privilege::Select, &schema("prod")));
        assert!(ann.may(Privilege::Manage, &schema("prod")));
        catalog.put_user("ann", &hash, &[], false).await.unwrap();
        let ann = catalog.principal("ann").await.unwrap().unwrap();
        assert!(ann.grants.is_empty());
        let error = catalog.put_user("", &hash, &[], false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        place
    })
    .await;
}
