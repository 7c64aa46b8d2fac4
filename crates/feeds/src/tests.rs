//! What the feeds promise, on fakes whose every step can be held and failed.

mod crashes;
mod failures;
mod flights;
mod processes;
mod refresh;
mod schedule;
mod two_stage;
