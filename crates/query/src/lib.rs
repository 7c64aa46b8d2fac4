//! One statement's life: session, access, routing, result cache, admission, execution.
