//! One call: who makes it, in which session, under which contract.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::{Authenticator, Credentials, Principal},
    secret::SecretText,
    session::Contract,
};
use ducksync_query::{Query, Session, SessionKey};
use tonic::{
    Request, Response,
    metadata::{MetadataMap, MetadataValue},
};

use crate::{
    credentials::{AUTHORIZATION, Mark, Origin, Shown, bearer_header},
    headers,
    session_key::{Connection, Salt},
    transactions::OpenTransactions,
    wire::Compression,
};

/// What every call needs of the server.
pub(crate) struct Shared {
    /// Answers.
    pub(crate) query: Arc<Query>,
    /// Says who calls.
    pub(crate) authenticator: Arc<dyn Authenticator>,
    /// Transactions opened by action.
    pub(crate) transactions: OpenTransactions,
    /// The largest message, and so the most bytes of parameters held for one call.
    pub(crate) max_message_bytes: usize,
    salt: Salt,
}

impl Shared {
    /// Of a server that just started.
    pub(crate) fn new(
        query: Arc<Query>,
        authenticator: Arc<dyn Authenticator>,
        max_message_bytes: usize,
    ) -> Self {
        Self {
            query,
            authenticator,
            transactions: OpenTransactions::default(),
            max_message_bytes,
            salt: Salt::generate(),
        }
    }

    /// Authenticates a call. No session is made yet.
    ///
    /// # Errors
    /// `Unauthenticated`, with one text for an unknown user and a wrong password.
    pub(crate) async fn admit<T>(self: &Arc<Self>, request: &Request<T>) -> Result<Call> {
        let shown = Shown::read(request.metadata())?;
        let principal = self.authenticator.authenticate(&shown.credentials).await?;
        let connection = Connection::of(
            &self.salt,
            request.metadata(),
            &shown,
            request.remote_addr(),
        );
        Ok(Call {
            shared: self.clone(),
            principal,
            connection,
            shown,
            metadata: request.metadata().clone(),
        })
    }
}

/// One authenticated call.
pub(crate) struct Call {
    shared: Arc<Shared>,
    principal: Principal,
    connection: Connection,
    shown: Shown,
    metadata: MetadataMap,
}

impl Call {
    /// What answers.
    pub(crate) fn query(&self) -> &Arc<Query> {
        &self.shared.query
    }

    /// Transactions opened by action.
    pub(crate) fn transactions(&self) -> &OpenTransactions {
        &self.shared.transactions
    }

    /// The most bytes of parameters held for one call.
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.shared.max_message_bytes
    }

    /// Who calls.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    fn key(&self) -> SessionKey {
        self.connection.key(&self.principal.name)
    }

    /// The call's session, made if there is none.
    ///
    /// # Errors
    /// `Unavailable` when there are too many.
    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        self.query().sessions().open(&self.key(), &self.principal)
    }

    /// The call's session, if there is one.
    pub(crate) fn known_session(&self) -> Option<Arc<Session>> {
        self.query().sessions().find(&self.key())
    }

    /// Ends the session: its transactions roll back, and a token made for it is void.
    ///
    /// # Errors
    /// Those of [`Authenticator::revoke`].
    pub(crate) async fn close_session(&self) -> Result<()> {
        self.query().close_session(&self.key()).await;
        match (&self.shown.credentials, &self.shown.mark) {
            (
                Credentials::Bearer(token),
                Some(Mark {
                    origin: Origin::Minted,
                    ..
                }),
            ) => self.shared.authenticator.revoke(token).await,
            _ => Ok(()),
        }
    }

    /// The contract of a statement: the session's, overridden by the call's headers (V-1).
    ///
    /// # Errors
    /// `InvalidArgument` naming the header (V-4).
    pub(crate) fn contract(&self, session: &Session) -> Result<Contract> {
        headers::contract(session.contract(), &self.metadata)
    }

    /// How the call wants rows compressed.
    ///
    /// # Errors
    /// `InvalidArgument` naming the header.
    pub(crate) fn compression(&self) -> Result<Compression> {
        headers::compression(&self.metadata)
    }

    /// The `authorization` header that a Handshake answers with: a token made for a password, or the
    /// token that was shown, marked so that this connection gets a session of its own.
    ///
    /// # Errors
    /// Those of [`Authenticator::mint`].
    pub(crate) async fn log_in(&self) -> Result<String> {
        let login = uuid::Uuid::new_v4();
        Ok(match &self.shown.credentials {
            Credentials::Basic { .. } => {
                let token: SecretText = self.shared.authenticator.mint(&self.principal).await?;
                bearer_header(
                    &token,
                    Mark {
                        origin: Origin::Minted,
                        login,
                    },
                )
            }
            Credentials::Bearer(token) => bearer_header(
                token,
                Mark {
                    origin: Origin::Brought,
                    login,
                },
            ),
        })
    }

    /// A response to this call; clients that keep cookies are brought back to this session.
    pub(crate) fn respond<T>(&self, body: T) -> Response<T> {
        let mut response = Response::new(body);
        if !self.connection.by_cookie
            && let Ok(cookie) = MetadataValue::try_from(self.connection.set_cookie())
        {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        response
    }

    /// The response to a Handshake. It sets no cookie: what was shown here differs from what the client
    /// shows from now on.
    ///
    /// # Errors
    /// `Internal` if the token is not plain ASCII.
    pub(crate) fn respond_with_login<T>(
        &self,
        body: T,
        authorization: &str,
    ) -> Result<Response<T>> {
        let mut value = MetadataValue::try_from(authorization)
            .map_err(|_| Error::internal("a bearer token is not plain ASCII"))?;
        value.set_sensitive(true);
        let mut response = Response::new(body);
        response.metadata_mut().insert(AUTHORIZATION, value);
        Ok(response)
    }
}
