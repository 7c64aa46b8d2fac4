//! Descriptions of our own protocol messages, compiled from `proto/` at build time.

use std::sync::LazyLock;

use ducksync_core::{Error, Result};
use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor};

const PACKAGE: &str = "ducksync.v1";

static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> = LazyLock::new(|| {
    let bytes: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ducksync.v1.bin"));
    DescriptorPool::decode(bytes)
});

/// The message of that name in our package.
///
/// # Errors
/// `Internal` if there is none: a test compares the protocol with the list of commands.
pub(crate) fn describe(name: &str) -> Result<MessageDescriptor> {
    let pool = POOL.as_ref().map_err(|error| {
        Error::internal("the protocol's descriptors cannot be read").with_source(error)
    })?;
    pool.get_message_by_name(&format!("{PACKAGE}.{name}"))
        .ok_or_else(|| Error::internal(format!("the protocol has no message {name}")))
}
