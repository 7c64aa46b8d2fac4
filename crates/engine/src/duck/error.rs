//! What DuckDB says went wrong, and which of our kinds that is.

use ducksync_core::{Error, error::FailureClass};

/// An error of DuckDB: its text begins with its type, such as `Binder Error: …`.
#[derive(Debug, Clone)]
pub(crate) struct DuckError {
    message: String,
}

impl DuckError {
    pub(crate) fn new(message: String) -> Self {
        Self { message }
    }

    /// DuckDB's whole text.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The type that DuckDB puts before its text.
    fn class(&self) -> &str {
        self.message
            .split_once(" Error:")
            .map_or("", |(class, _)| class)
    }

    /// Whether DuckDB says of itself that it is defective: the instance may be unusable.
    pub(crate) fn is_defect(&self) -> bool {
        matches!(self.class(), "FATAL" | "INTERNAL") || self.is_fatal()
    }

    /// Whether the instance is certainly unusable.
    pub(crate) fn is_fatal(&self) -> bool {
        self.class() == "FATAL" || self.message.contains("database has been invalidated")
    }

    /// This error as one of ours. `memory_option` names the limit that a lack of memory is about.
    pub(crate) fn into_error(self, memory_option: &str) -> Error {
        if self.is_fatal() {
            return Error::unavailable("duckdb declared itself broken and is being restarted")
                .with_remedy("repeat the statement")
                .with_source(self.message);
        }
        let message = self.message.clone();
        match self.class() {
            "INTERNAL" => Error::internal(message),
            "INTERRUPT" => Error::cancelled("the statement was interrupted"),
            "Out of Memory" => Error::resource_exhausted(message).with_remedy(format!(
                "raise {memory_option}, or make the statement smaller"
            )),
            "Permission" => Error::permission_denied(message),
            "IO" => io(message),
            "HTTP" | "Connection" | "Network" => Error::unavailable(message),
            _ => Error::invalid(message),
        }
    }
}

fn io(message: String) -> Error {
    if message.contains("No space left on device") {
        return Error::resource_exhausted(message)
            .with_class(FailureClass::Resource)
            .with_remedy("free space on the disk, or move the data path or engine.temp_directory");
    }
    if message.contains("No files found") || message.contains("No such file") {
        return Error::data_loss(message);
    }
    Error::unavailable(message).with_class(FailureClass::Resource)
}

#[cfg(test)]
mod tests {
    use ducksync_core::ErrorKind;

    use super::*;

    #[test]
    fn duckdb_types_of_errors_become_our_kinds() {
        for (text, kind) in [
            ("Binder Error: x", ErrorKind::InvalidArgument),
            ("Conversion Error: x", ErrorKind::InvalidArgument),
            ("Out of Memory Error: x", ErrorKind::ResourceExhausted),
            ("Permission Error: x", ErrorKind::PermissionDenied),
            (
                "IO Error: x: No space left on device",
                ErrorKind::ResourceExhausted,
            ),
            ("INTERNAL Error: x", ErrorKind::Internal),
            ("FATAL Error: x", ErrorKind::Unavailable),
            ("INTERRUPT Error: Interrupted!", ErrorKind::Cancelled),
        ] {
            let error = DuckError::new(text.into()).into_error("engine.memory_limit");
            assert_eq!(error.kind(), kind, "{text}");
        }
    }
}
