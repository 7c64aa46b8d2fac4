//! Fakes of everything the feeds stand on: a catalog in memory, shared by any number of processes, a
//! source and a stager whose steps can be held, failed and counted. All write one log, so that tests
//! can speak of order.

mod bench;
mod process;
mod source;
mod steps;
mod storage;
mod world;

pub(crate) use bench::{Bench, cache};
pub(crate) use source::object;
pub(crate) use world::PublishFault;
