//! The open sessions of a source: one for each database, schema and role that statements run in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{http::Http, login::Login, session::Session};

/// Sessions by the place they were asked for, the last used last.
#[derive(Debug)]
pub(super) struct SessionPool {
    http: Arc<Http>,
    login: Arc<Login>,
    most: usize,
    open: Mutex<Vec<(Place, Arc<Session>)>>,
}

/// Where statements run, as written; what is left out is the login's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) role: Option<String>,
}

impl SessionPool {
    pub(super) fn new(http: Arc<Http>, login: Login, most: usize) -> Self {
        Self {
            http,
            login: Arc::new(login),
            most,
            open: Mutex::default(),
        }
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// The session of a place; it logs in when it is first used.
    ///
    /// Beyond the maximum the session longest unused leaves the pool; it lives on until the statements
    /// that hold it end, so the sessions at Snowflake are bounded by maximum plus running statements.
    pub(super) fn session(&self, place: Place) -> Arc<Session> {
        let mut open = self.lock();
        let known = open.iter().position(|(known, _)| *known == place);
        let session = match known.map(|at| open.remove(at)) {
            Some((_, session)) if !session.has_moved() => session,
            _ => {
                let (http, login) = (self.http.clone(), self.login.clone());
                Arc::new(Session::new(http, login, place.clone()))
            }
        };
        if open.len() >= self.most {
            open.remove(0);
        }
        open.push((place, session.clone()));
        session
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Place, Arc<Session>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;
    use crate::snowflake::{
        credential::password, http::Traffic, refusals::Pauses, retry::RetryPolicy,
    };

    fn pool(most: usize) -> SessionPool {
        let base = Url::parse("http://127.0.0.1:1/").unwrap();
        let http = Arc::new(Http::new(base, RetryPolicy::quick(), Traffic::default()).unwrap());
        let login = Login::new("a", "u", password("p"), Pauses::quick());
        SessionPool::new(http, login, most)
    }

    #[test]
    fn each_place_has_a_session_of_its_own_and_keeps_it() {
        let pool = pool(2);
        let of_database = |name: &str| Place {
            database: Some(name.to_owned()),
            ..Place::default()
        };
        let first = pool.session(of_database("A"));
        assert!(Arc::ptr_eq(&first, &pool.session(of_database("A"))));
        assert!(!Arc::ptr_eq(&first, &pool.session(of_database("B"))));
        pool.session(of_database("C"));
        assert!(
            !Arc::ptr_eq(&first, &pool.session(of_database("A"))),
            "the oldest left the pool"
        );
        assert_eq!(pool.lock().len(), 2);
    }
}
