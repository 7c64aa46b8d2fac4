use ducksync_core::{
    error::{ErrorKind, FailureClass},
    name::ObjectName,
    source::{Aspect, ObjectState, TokenKind},
};
use snowflake_sim::StatementClass;

use crate::place::{LOGIN, Place, context, object, open};

async fn states(place: &Place, names: &[&str], kind: TokenKind) -> Vec<ObjectState> {
    let objects: Vec<_> = names.iter().map(|name| object(name)).collect();
    let states = place.source.tokens(&objects, kind).await.unwrap();
    let states: Vec<_> = states.into_iter().map(Result::unwrap).collect();
    let answered: Vec<_> = states.iter().map(|state| state.object.clone()).collect();
    assert_eq!(answered, objects, "one state for each object, in order");
    states
}

async fn place() -> Place {
    let place = Place::new().await;
    place
        .sql("create table db.public.t (id number(10,0) not null, name text)")
        .await;
    place
        .sql("create table db.public.u (id number(10,0))")
        .await;
    place
        .sql("create view db.public.v as select id from db.public.t")
        .await;
    place
}

#[tokio::test]
async fn describe_needs_no_warehouse_and_expands_views() {
    let place = place().await;
    let login: Vec<_> = LOGIN.iter().copied().chain([("warehouse", "")]).collect();
    let source = open(&place.simulator, &login, &[]).await.unwrap();
    let sql = "select v.id, u.id as other from v join u on v.id = u.id";
    let described = source
        .describe(sql, &context(), Aspect::Everything)
        .await
        .unwrap();
    let names: Vec<_> = described
        .columns
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["ID", "OTHER"]);
    let read: Vec<_> = described
        .objects
        .iter()
        .map(ObjectName::to_string)
        .collect();
    assert_eq!(read, ["DB.PUBLIC.T", "DB.PUBLIC.U"]);
    assert_eq!(place.simulator.credits().credits, 0);
    let error = source
        .describe("select nothing_here", &context(), Aspect::Everything)
        .await
        .unwrap_err();
    assert_eq!(error.class(), FailureClass::Query);
}

#[tokio::test]
async fn c7_change_tokens_move_with_tables_and_the_views_on_them() {
    let place = place().await;
    let names = ["DB.PUBLIC.T", "DB.PUBLIC.U", "DB.PUBLIC.V"];
    let before = states(&place, &names, TokenKind::ChangeToken).await;
    assert_eq!(
        before,
        states(&place, &names, TokenKind::ChangeToken).await,
        "nothing moved"
    );
    assert!(
        before[0]
            .token
            .as_ref()
            .unwrap()
            .as_str()
            .starts_with("ct:")
    );
    place.sql("insert into db.public.t values (1, 'x')").await;
    let after = states(&place, &names, TokenKind::ChangeToken).await;
    assert_ne!(before[0].token, after[0].token);
    assert_eq!(before[1].token, after[1].token);
    assert_ne!(
        before[2].token, after[2].token,
        "a view moves with its table"
    );
    assert!(
        place
            .simulator
            .log()
            .iter()
            .all(|entry| entry.class == StatementClass::MetadataFree)
    );
}

#[tokio::test]
async fn c8_a_view_is_known_by_its_definition() {
    let place = place().await;
    let names = ["DB.PUBLIC.T", "DB.PUBLIC.V"];
    let before = states(&place, &names, TokenKind::ChangeToken).await;
    assert_eq!(before[0].view_definition, None);
    let hash = before[1].view_definition.clone().unwrap();
    assert_eq!(hash.len(), 64);
    place
        .sql("create or replace view db.public.v as select id + 1 as id from db.public.t")
        .await;
    let after = states(&place, &names, TokenKind::ChangeToken).await;
    assert_ne!(after[1].view_definition.as_ref(), Some(&hash));
}

#[tokio::test]
async fn c7_many_objects_are_asked_for_in_few_statements() {
    let place = Place::new().await;
    let names: Vec<String> = (0..250).map(|n| format!("T{n}")).collect();
    let script: Vec<String> = names
        .iter()
        .map(|name| format!("create table db.public.{name} (a int)"))
        .collect();
    place.sql(&script.join("; ")).await;
    let full: Vec<String> = names
        .iter()
        .map(|name| format!("DB.PUBLIC.{name}"))
        .collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    states(&place, &full, TokenKind::ChangeToken).await;
    assert_eq!(
        place.simulator.log().len(),
        3 + 1,
        "100 tokens a statement, and one SHOW"
    );
}

#[tokio::test]
async fn c8_a_missing_object_is_named() {
    let place = place().await;
    let mut objects = vec![object("DB.PUBLIC.T"); 60];
    objects.push(object("DB.PUBLIC.GONE"));
    objects.extend(vec![object("DB.PUBLIC.U"); 60]);
    for kind in [TokenKind::ChangeToken, TokenKind::LastAltered] {
        let states = place.source.tokens(&objects, kind).await.unwrap();
        let mut wrong = states.into_iter().enumerate().filter(|(_, s)| s.is_err());
        let (at, error) = wrong.next().unwrap();
        assert!(
            at == 60 && wrong.next().is_none(),
            "it takes the signal from no other"
        );
        let error = error.unwrap_err();
        assert_eq!(error.class(), FailureClass::Dependency, "{kind:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{kind:?}: {error}");
        assert!(error.to_string().contains("DB.PUBLIC.GONE"), "{error}");
    }
}

#[tokio::test]
async fn c7_last_altered_expands_views_to_their_tables() {
    let place = place().await;
    let names = ["DB.PUBLIC.T", "DB.PUBLIC.V", "DB.PUBLIC.U"];
    let before = states(&place, &names, TokenKind::LastAltered).await;
    assert!(
        before
            .iter()
            .all(|state| state.token.as_ref().unwrap().as_str().starts_with("la:"))
    );
    let asked = place.simulator.log_of(StatementClass::MetadataWarehouse);
    assert_eq!(asked.len(), 1, "one statement for the database");
    place.sql("insert into db.public.t values (1, 'x')").await;
    let after = states(&place, &names, TokenKind::LastAltered).await;
    assert_ne!(before[0].token, after[0].token);
    assert_ne!(before[1].token, after[1].token);
    assert_eq!(before[2].token, after[2].token);
}

#[tokio::test]
async fn c7_last_altered_never_trusts_a_secure_view() {
    let place = place().await;
    place
        .sql("create secure view db.public.s as select id from db.public.t")
        .await;
    let error = place
        .source
        .tokens(&[object("DB.PUBLIC.S")], TokenKind::LastAltered)
        .await
        .unwrap()
        .remove(0)
        .unwrap_err();
    assert_eq!(error.class(), FailureClass::Dependency, "{error}");
    states(&place, &["DB.PUBLIC.S"], TokenKind::ChangeToken).await;
}

#[tokio::test]
async fn c9_wildcards_in_names_match_nothing_else() {
    let place = Place::new().await;
    place.sql("create table db.public.a_b (x int)").await;
    place
        .sql("create view db.public.axb as select 1 as x")
        .await;
    let states = states(&place, &["DB.PUBLIC.A_B"], TokenKind::ChangeToken).await;
    assert_eq!(
        states[0].view_definition, None,
        "the view AXB is another object"
    );
}

#[tokio::test]
async fn c7_fingerprints_are_rows_and_bytes_and_need_no_warehouse() {
    let place = place().await;
    let names = ["DB.PUBLIC.T", "DB.PUBLIC.V"];
    let login: Vec<_> = LOGIN.iter().copied().chain([("warehouse", "")]).collect();
    let source = open(&place.simulator, &login, &[]).await.unwrap();
    let objects: Vec<_> = names.iter().map(|name| object(name)).collect();
    let read = async || {
        let states = source
            .tokens(&objects, TokenKind::Fingerprint)
            .await
            .unwrap();
        states.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let before = read().await;
    let token = before[0].token.as_ref().unwrap().as_str();
    assert!(token.starts_with("fp:0:"), "{token}");
    assert_eq!(before[1].token, None, "a view has neither rows nor bytes");
    assert!(before[1].view_definition.is_some());
    place.sql("insert into db.public.t values (1, 'x')").await;
    assert_ne!(read().await[0].token, before[0].token);
    assert_eq!(place.simulator.credits().credits, 0);
}

#[tokio::test]
async fn c9_checks_at_the_same_time_are_one_statement() {
    let place = place().await;
    let ask = |name: &'static str| {
        let source = place.source.clone();
        async move { source.tokens(&[object(name)], TokenKind::ChangeToken).await }
    };
    let (t, gone, u) = tokio::join!(
        ask("DB.PUBLIC.T"),
        ask("DB.PUBLIC.GONE"),
        ask("DB.PUBLIC.U")
    );
    assert!(t.unwrap()[0].is_ok() && u.unwrap()[0].is_ok());
    assert!(gone.unwrap()[0].is_err(), "and each has its own answer");
    let shown = place
        .simulator
        .log()
        .iter()
        .filter(|e| e.sql.starts_with("SHOW"))
        .count();
    assert_eq!(shown, 1);
}
