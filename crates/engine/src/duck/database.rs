//! Databases and connections: opened, interrupted and closed in the right order.

use std::{
    ffi::{CStr, CString},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use libduckdb_sys as ffi;

use super::DuckError;
use crate::spill::Spill;

/// An in-memory database; closed when the last connection and the last handle are gone.
pub(crate) struct Database {
    raw: ffi::duckdb_database,
    _spill: Spill,
}

// SAFETY: a `duckdb_database` may be used from any thread; it is only ever connected to and closed.
unsafe impl Send for Database {}
// SAFETY: as above; `duckdb_connect` takes its own locks.
unsafe impl Sync for Database {}

impl Database {
    /// Opens an empty database with these options; `spill` is removed when it is closed.
    pub(crate) fn open(options: &[(&str, &str)], spill: Spill) -> Result<Arc<Self>, DuckError> {
        let config = Config::new(options)?;
        let mut raw = ptr::null_mut();
        let mut message = ptr::null_mut();
        // SAFETY: a null path opens an in-memory database; all pointers are valid for the call.
        let state =
            unsafe { ffi::duckdb_open_ext(ptr::null(), &mut raw, config.raw, &mut message) };
        if state != ffi::duckdb_state_DuckDBSuccess {
            let error = DuckError::new(text(message).unwrap_or_default());
            // SAFETY: DuckDB allocated the message; freeing null is allowed.
            unsafe { ffi::duckdb_free(message.cast()) };
            return Err(error);
        }
        Ok(Arc::new(Self { raw, _spill: spill }))
    }

    /// Opens a connection.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<Connection, DuckError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the database is open.
        let state = unsafe { ffi::duckdb_connect(self.raw, &mut raw) };
        if state != ffi::duckdb_state_DuckDBSuccess {
            return Err(DuckError::new("Connection Error: could not connect".into()));
        }
        Ok(Connection {
            raw,
            _database: self.clone(),
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: every connection holds an `Arc` of this, so none is left.
        unsafe { ffi::duckdb_close(&mut self.raw) };
    }
}

/// The version of the linked DuckDB, such as `v1.5.5`.
pub(crate) fn library_version() -> String {
    // SAFETY: DuckDB returns a static text.
    text(unsafe { ffi::duckdb_library_version() }).unwrap_or_default()
}

struct Config {
    raw: ffi::duckdb_config,
}

impl Config {
    fn new(options: &[(&str, &str)]) -> Result<Self, DuckError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the pointer is valid; on failure `raw` stays null, which may be destroyed.
        unsafe { ffi::duckdb_create_config(&mut raw) };
        let config = Self { raw };
        for (name, value) in options {
            let (c_name, c_value) = (c_text(name)?, c_text(value)?);
            // SAFETY: the config is alive and both texts end in NUL.
            let state =
                unsafe { ffi::duckdb_set_config(config.raw, c_name.as_ptr(), c_value.as_ptr()) };
            if state != ffi::duckdb_state_DuckDBSuccess {
                let message = format!("Invalid Configuration Error: {name} cannot be {value:?}");
                return Err(DuckError::new(message));
            }
        }
        Ok(config)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        // SAFETY: created in `new` and not used again.
        unsafe { ffi::duckdb_destroy_config(&mut self.raw) };
    }
}

/// A connection; used by one thread at a time.
pub(crate) struct Connection {
    pub(super) raw: ffi::duckdb_connection,
    _database: Arc<Database>,
}

// SAFETY: a connection may move between threads; it is not `Sync`, so never used by two at once.
// The one call that another thread makes is `duckdb_interrupt`, through `InterruptSlot`.
unsafe impl Send for Connection {}

impl Connection {
    /// Runs statements of our own, and forgets what they yield.
    pub(crate) fn execute(&self, sql: &str) -> Result<(), DuckError> {
        let sql = c_text(sql)?;
        // SAFETY: an all-zero result is what DuckDB expects to fill; it is destroyed below, also
        // after a failure.
        unsafe {
            let mut result: ffi::duckdb_result = std::mem::zeroed();
            let state = ffi::duckdb_query(self.raw, sql.as_ptr(), &mut result);
            let error = (state != ffi::duckdb_state_DuckDBSuccess).then(|| {
                DuckError::new(text(ffi::duckdb_result_error(&mut result)).unwrap_or_default())
            });
            ffi::duckdb_destroy_result(&mut result);
            error.map_or(Ok(()), Err)
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the connection any more; `InterruptSlot` lets go of it when its
        // borrow ends.
        unsafe { ffi::duckdb_disconnect(&mut self.raw) };
    }
}

/// Where another thread finds the connection to interrupt: only while its statement runs, so that an
/// interrupt that comes late never hits the connection's next statement.
#[derive(Default)]
pub(crate) struct InterruptSlot(Mutex<Option<RawConnection>>);

struct RawConnection(ffi::duckdb_connection);

// SAFETY: only passed to `duckdb_interrupt`, which sets an atomic flag.
unsafe impl Send for RawConnection {}

impl InterruptSlot {
    /// Lets others interrupt `connection` until the guard is dropped.
    pub(crate) fn enter<'c>(&'c self, connection: &'c Connection) -> Entered<'c> {
        *self.lock() = Some(RawConnection(connection.raw));
        Entered { slot: self }
    }

    /// Interrupts the statement that is running, if one is.
    pub(crate) fn interrupt(&self) {
        if let Some(connection) = self.lock().as_ref() {
            // SAFETY: while it is in the slot, `Entered` borrows the connection, so it is open.
            unsafe { ffi::duckdb_interrupt(connection.0) };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<RawConnection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the connection can be interrupted.
pub(crate) struct Entered<'c> {
    slot: &'c InterruptSlot,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.slot.lock() = None;
    }
}

/// The text at `pointer`, if there is one.
pub(super) fn text(pointer: *const std::ffi::c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: DuckDB's texts end in NUL and live at least as long as the call.
    let text = unsafe { CStr::from_ptr(pointer) };
    Some(text.to_string_lossy().into_owned())
}

/// The text at `pointer`, which is freed.
pub(super) fn owned_text(pointer: *mut std::ffi::c_char) -> Option<String> {
    let copy = text(pointer);
    // SAFETY: DuckDB allocated it for the caller; freeing null is allowed.
    unsafe { ffi::duckdb_free(pointer.cast()) };
    copy
}

pub(super) fn c_text(text: &str) -> Result<CString, DuckError> {
    CString::new(text)
        .map_err(|_| DuckError::new("Parser Error: the text contains a NUL byte".into()))
}
